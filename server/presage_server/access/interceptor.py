"""The check of the few calls that grpc.aio serves behind the native transport; for those, an interceptor is cheap enough."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any, TypeAlias

import grpc

from presage_server.access.denials import Denial
from presage_server.access.gate import Gate

__all__ = ["TokenInterceptor"]

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Checks calls before their handler is looked up, so that a caller without a token learns nothing about what there is."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Return the handler of a call, or one that ends it."""
        details = handler_call_details
        checked = self._gate.check(details.method, tuple(details.invocation_metadata or ()), monotonic())
        if isinstance(checked, Denial):
            return _denying(checked)
        return await continuation(details)


def _denying(denial: Denial) -> _Handler:
    async def deny(_: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        status = denial.status
        await context.abort(_CODES[status.code], status.message, tuple(status.trailing_metadata))

    # Of two streams, for whatever the caller wants to send: nothing of it is read.
    return grpc.stream_stream_rpc_method_handler(deny)
