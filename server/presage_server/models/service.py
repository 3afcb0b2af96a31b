"""``ModelService``: which models there are, all that is known of one, and changes of which version serves whom.

Served by grpc.aio, beside the calls that need to be fast; files are read by a thread. Explain is a part of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from presage.v1 import model_service_pb2 as pb
from presage_server.errors import InvalidRequestError, NotPermittedError, RpcError
from presage_server.models.reporting import Reporter
from presage_server.models.setting_aliases import AliasSetter
from presage_server.rpc.status import internal_error, status_of

__all__ = ["MODEL_SERVICE_NAME", "ModelService"]

MODEL_SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["ModelService"].full_name
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_AT_ONCE = 2
"""Threads that read files at the same time: each takes the interpreter from the calls that need to be fast."""

_Method = Callable[[Any], Awaitable[Message]]


class ModelService:
    """Serves ListModels, GetModel and SetAliases.

    Args:
        reporter: Describes the models.
        setter: Changes aliases; None: SetAliases is refused.
    """

    def __init__(self, reporter: Reporter, *, setter: AliasSetter | None = None) -> None:
        self._reporter = reporter
        self._setter = setter
        self._at_once = asyncio.Semaphore(_MAX_AT_ONCE)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server serve it."""
        methods: dict[str, tuple[type[Message], _Method]] = {
            "ListModels": (pb.ListModelsRequest, self._list_models),
            "GetModel": (pb.GetModelRequest, self._get_model),
            "SetAliases": (pb.SetAliasesRequest, self._set_aliases),
        }
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: grpc.unary_unary_rpc_method_handler(partial(_handle, name, kind, method))
            for name, (kind, method) in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(MODEL_SERVICE_NAME, handlers),))

    async def _list_models(self, _request: pb.ListModelsRequest) -> Message:
        async with self._at_once:
            return await asyncio.to_thread(self._reporter.list_models)

    async def _get_model(self, request: pb.GetModelRequest) -> Message:
        async with self._at_once:
            return await asyncio.to_thread(self._reporter.get_model, request.model, request.version)

    async def _set_aliases(self, request: pb.SetAliasesRequest) -> Message:
        if self._setter is None:
            raise NotPermittedError(
                "this server does not change aliases; start it with --allow-set-aliases, or use presage models on its host"
            )
        async with self._at_once:
            return await asyncio.to_thread(self._setter.set_aliases, request)


async def _handle(
    name: str, kind: type[Message], method: _Method, encoded: bytes, context: grpc.aio.ServicerContext[Any, Any]
) -> bytes:
    try:
        return (await method(_decode(kind, encoded))).SerializeToString()
    except RpcError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - becomes a status
        failure = internal_error(error, name)
    status = status_of(failure)
    await context.abort(_CODES[status.code], status.message, tuple(status.trailing_metadata))
    raise AssertionError


def _decode(kind: type[Message], encoded: bytes) -> Message:
    try:
        return kind.FromString(encoded)
    except DecodeError as error:
        raise InvalidRequestError(
            f"expected a {kind.DESCRIPTOR.full_name}, got {len(encoded)} bytes that cannot be parsed as one"
        ) from error
