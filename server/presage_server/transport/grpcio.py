"""The portable transport, and the one that can speak TLS: grpc.aio, whose handlers become calls."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import grpc

from presage_server.call import Call
from presage_server.errors import SettingsError
from presage_server.rpc.status import Status
from presage_server.transport.interface import OnCalls, ServerOptions, end_process, stop_grpcio

__all__ = ["GrpcioTransport"]

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_FOREVER = float("inf")
_FEW_CALLS = 4
_GATHER_SECONDS = 0.001
"""While more than a few calls are in flight, those of a millisecond are delivered together. grpc.aio itself takes some hundred
microseconds of processor time for each call, so most of the turns would be for a single one."""


class _Failure(Exception):  # noqa: N818 - not an error of ours: it ends a handler
    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class _GrpcioCall(Call):
    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[bytes], *described: Any) -> None:
        super().__init__(*described)
        self._future = future

    def send_reply(self, payload: bytes) -> None:
        if not self._future.done():
            self._future.set_result(payload)

    def send_failure(self, status: Status) -> None:
        if not self._future.done():
            self._future.set_exception(_Failure(status))


class GrpcioTransport:
    """grpc.aio behind the interface ``Transport``. Calls are delivered by the running event loop, those of one turn of it together.

    Args:
        options: How to listen.
        paths: The methods that are delivered as calls.
        server: Serves them, and whatever else has been added to it; not started yet.
        on_failure: Called with what processing raised; the default logs it and ends the process.
    """

    def __init__(
        self,
        options: ServerOptions,
        paths: Sequence[str],
        server: grpc.aio.Server,
        *,
        on_failure: Callable[[BaseException], None] = end_process,
    ) -> None:
        self._options = options
        self._server = server
        self._on_failure = on_failure
        self._arrived: list[Call] = []
        self._in_flight = 0
        self._on_calls: OnCalls
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.TimerHandle | asyncio.Handle | None = None
        self._turn_at = _FOREVER
        self._watched: socket.socket | None = None
        services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for path in paths:
            _, service, name = path.split("/")
            services.setdefault(service, {})[name] = grpc.unary_unary_rpc_method_handler(self._handler(path))
        for service, handlers in services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
            server.add_registered_method_handlers(service, handlers)

    async def start(self, on_calls: OnCalls) -> str:
        """Begin to listen and to deliver calls; return HOST:PORT."""
        self._on_calls = on_calls
        address = self._options.address
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise SettingsError(
                f"port: cannot listen on {address}; is it taken, or the host not this machine's?"
            ) from error
        await self._server.start()
        self._run_turn()
        return f"{address.rpartition(':')[0]}:{port}"

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and close."""
        try:
            await stop_grpcio(self._server, grace_seconds)
        finally:
            if self._turn is not None:
                self._turn.cancel()
            self._turn_at = -_FOREVER  # none will be due any more
            self.watch(None)

    def check_alive(self) -> None:
        """Do nothing: this very loop delivers the calls."""

    def watch(self, connection: socket.socket | None) -> None:
        """Have a turn whenever the store has sent something."""
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
        self._watched = connection
        if connection is not None and self._turn_at != -_FOREVER:
            self._loop.add_reader(connection, self._take_replies)

    def _handler(self, path: str) -> Any:
        async def handle(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            now = monotonic()
            left: float | None = context.time_remaining()  # None without a deadline, which its type stub does not know
            call = _GrpcioCall(
                self._loop.create_future(),
                path,
                request,
                now,
                _FOREVER if left is None else now + left,
                context.invocation_metadata() or (),
                context.peer(),
            )
            self._arrived.append(call)
            self._in_flight += 1
            self._have_turn_in(0.0 if self._in_flight <= _FEW_CALLS else _GATHER_SECONDS)
            try:
                return await call._future  # noqa: SLF001 - of this module
            except _Failure as failure:
                status = failure.status
            except asyncio.CancelledError:
                if call.code is None:
                    call.end_by_caller(monotonic())
                raise
            finally:
                self._in_flight -= 1
            try:
                await context.abort(
                    _CODES[status.code], status.message, trailing_metadata=tuple(status.trailing_metadata)
                )
            except grpc.aio.AbortError:
                raise
            except Exception as gone:
                # The caller's deadline has passed or it has left: no status can be sent, and none is awaited.
                raise asyncio.CancelledError from gone

        return handle

    def _have_turn_in(self, seconds: float) -> None:
        at = self._loop.time() + seconds
        if at >= self._turn_at:
            return
        if self._turn is not None:
            self._turn.cancel()
        self._turn_at = at
        self._turn = self._loop.call_later(seconds, self._run_turn) if seconds else self._loop.call_soon(self._run_turn)

    def _take_replies(self) -> None:
        """Have the store's replies handled; calls that are being gathered are delivered when their time comes."""
        self._deliver([])

    def _run_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._turn_at = _FOREVER
        calls, self._arrived = self._arrived, []
        self._deliver(calls)

    def _deliver(self, calls: list[Call]) -> None:
        try:
            due_seconds = self._on_calls(calls)
        except BaseException as error:  # noqa: BLE001 - the calls of this turn, at least, are lost
            self._on_failure(error)
        else:
            self._have_turn_in(due_seconds)
