"""``Explain``: read a visitor, and have a thread explain the score.

Served by grpc.aio, beside the calls that need to be fast. The thread leaves the interpreter to them for most of its time, since
NumPy does the work; a limit of its own keeps explanations from piling up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from presage.v1 import model_service_pb2 as pb
from presage_server.errors import (
    ModelNotFoundError,
    NotExplainedError,
    OverloadedError,
    RpcError,
    StoreUnavailableError,
    UnreadableStateError,
)
from presage_server.explaining.explaining import explain_blob
from presage_server.models.model import Model
from presage_server.models.served import Models
from presage_server.rpc.decoding import decode_as_of, decode_message, decode_session_id, decode_user_id
from presage_server.rpc.status import internal_error, status_of
from presage_server.store.keys import state_key

__all__ = ["MAX_IN_FLIGHT", "MODEL_SERVICE_NAME", "ExplainService"]

_logger = logging.getLogger(__name__)

MODEL_SERVICE_NAME: str = pb.DESCRIPTOR.services_by_name["ModelService"].full_name
MAX_IN_FLIGHT: Final = 16
"""Explanations that are being made or wait for the thread; further calls are rejected."""

_METHOD = "Explain"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ExplainService:
    """Serves Explain.

    Args:
        models: What is served.
        redis: A client of the store.
        clock: Returns the time in microseconds.
        timeout_seconds: How long the store may take.
        most: How many calls may be in flight.
    """

    def __init__(
        self,
        models: Models,
        redis: Redis,
        *,
        clock: Callable[[], int],
        timeout_seconds: float,
        most: int = MAX_IN_FLIGHT,
    ) -> None:
        self._models = models
        self._redis: Any = redis
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._most = most
        self._in_flight = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="presage-explain")

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server serve it."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            _METHOD: grpc.unary_unary_rpc_method_handler(self._handle)
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(MODEL_SERVICE_NAME, handlers),))

    def close(self) -> None:
        """End the thread; what waits for it is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse:
        """Explain the score that a visitor would get.

        Raises:
            InvalidRequestError: A field breaks the contract.
            ModelNotFoundError: No such model, or no such version of it, is loaded.
            NotExplainedError: The model's scores cannot be explained.
            OverloadedError: Too many explanations are in flight.
            RpcError: The visitor cannot be read.
        """
        user_id = decode_user_id(request.user_id)
        session_id = decode_session_id(request.session_id)
        now_unix_micros = decode_as_of(request.as_of_unix_micros, self._clock())
        model = self._find(request.model, request.version, user_id)
        if self._in_flight >= self._most:
            raise OverloadedError(f"{self._most} explanations are being made; try again, with fewer calls at once")
        self._in_flight += 1
        try:
            blob = await self._read(user_id)
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, explain_blob, blob, model, now_unix_micros, session_id
            )
        finally:
            self._in_flight -= 1

    def _find(self, name: str, version: str, user_id: str) -> Model:
        try:
            served = self._models.served(name)
        except ModelNotFoundError:
            if name and any(model.name == name for model in self._models.ranking_models):
                raise NotExplainedError(
                    f"model: {name[:64]!r} ranks items, and only scores of visitors can be explained; name a model that scores"
                ) from None
            raise
        if not version:
            return self._models.route(name, user_id).model
        for model in served.versions:
            if model.version == version:
                return model
        loaded = [model.version for model in served.versions]
        raise ModelNotFoundError(f"expected one of {loaded}, which are loaded, got {version[:64]!r}", field="version")

    async def _read(self, user_id: str) -> bytes | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                blob: bytes | None = await self._redis.get(state_key(user_id))
        except ResponseError as error:
            if str(error).startswith("WRONGTYPE"):
                raise UnreadableStateError("expected a string, got a key of another type") from error
            _logger.error("Explain: the store refuses: %s", str(error)[:200])  # noqa: TRY400 - no defect of ours
            raise StoreUnavailableError("the store rejected the read; see the server's log") from error
        except (RedisError, OSError) as error:  # a timeout is an OSError
            raise StoreUnavailableError("the store does not answer; try again") from error
        return blob

    async def _handle(self, encoded: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        try:
            response = await self.explain(decode_message(pb.ExplainRequest, encoded))
            return response.SerializeToString()
        except RpcError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - becomes a status
            failure = internal_error(error, _METHOD)
        status = status_of(failure)
        await context.abort(_CODES[status.code], status.message, tuple(status.trailing_metadata))
        raise AssertionError
