"""Methods that are called rarely: grpc.aio serves them, beside the calls that need to be fast."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message

from presage_server.errors import RpcError
from presage_server.rpc.decoding import decode_message
from presage_server.rpc.status import internal_error, status_of

__all__ = ["Context", "RareMethod", "add_rare_methods", "decode_or_abort"]

RareMethod = tuple[type[Message], Callable[[Any], Awaitable[Message]]]
"""The message that a method takes, and what is called with it; raises RpcError."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
M = TypeVar("M", bound=Message)

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def add_rare_methods(server: grpc.aio.Server, service: str, methods: Mapping[str, RareMethod]) -> None:
    """Have a server serve some methods of a service.

    Args:
        server: Has not started yet.
        service: Its full name.
        methods: By name.
    """
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(partial(_handle, name, method)) for name, method in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


async def decode_or_abort(message_class: type[M], encoded: bytes, context: Context) -> M:
    """Parse a request of a library's service; invalid bytes end the call, as they do in our services.

    Left to grpc.aio, they end it with UNKNOWN and the name of a class, and the log gets a traceback each.
    """
    try:
        return decode_message(message_class, encoded)
    except RpcError as error:
        await context.abort(error.code, str(error))
    raise AssertionError


async def _handle(name: str, method: RareMethod, encoded: bytes, context: Context) -> bytes:
    message_class, function = method
    try:
        return (await function(decode_message(message_class, encoded))).SerializeToString()
    except RpcError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - becomes a status
        failure = internal_error(error, name, tuple(context.invocation_metadata() or ()))
    status = status_of(failure)
    await context.abort(_CODES[status.code], status.message, tuple(status.trailing_metadata))
    raise AssertionError
