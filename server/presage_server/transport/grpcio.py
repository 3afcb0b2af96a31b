"""The portable transport, and the one that can speak TLS: grpcio's completion queue, polled by one thread.

grpc.aio is built on the same queue, and takes several times its processor time for a call: it makes tasks and futures of each, and
wakes another thread for every step of it. The queue is not public, so ``choosing`` checks the version.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs leave out what is not public

from presage_server.call import Call
from presage_server.errors import SettingsError
from presage_server.rpc.status import OK, Status
from presage_server.transport.addresses import claim_socket, is_unix, join_address, release_socket
from presage_server.transport.forwarding import Forwarder
from presage_server.transport.interface import (
    MAX_STREAMS,
    Admits,
    OnCalls,
    ServerOptions,
    TransportHungError,
    end_process,
    grpcio_options,
)

__all__ = ["GrpcioTransport"]

_STREAM_LIMITS = (("grpc.max_concurrent_streams", MAX_STREAMS), ("grpc.http.overload_protection", 0))
"""The library's protection is off: it counts calls that have been answered but not freed, and so resets some of a client that keeps
to the limit. A flood of resets does the same without it."""
_REQUESTED_CALLS = 64
"""How many calls the library may hand over before one is taken."""
_MAX_EVENTS = 1 << 15
"""Events taken before what has arrived is delivered: of an overload, the newest calls have to be seen. A call has four."""
_MAX_DENIED = 256
"""Calls that are not admitted at most before those that are, and the store, have their turn: some 10 ms."""
_FOREVER_SECONDS = 1e9
"""What the library returns as the time that is left without a deadline is longer."""
_NOW = 0.0
"""A time that has passed."""
_STOP_POLL_SECONDS = 0.005
_HUNG_SECONDS = 10.0
"""A serving thread that has not taken calls for this long hangs: it does so twice a second when idle."""

_NO_SUCH_METHOD = Status(grpc.StatusCode.UNIMPLEMENTED.value[0], "Method not found!")
"""As grpc.aio says it."""

_TIMEOUT = cygrpc.CompletionType.queue_timeout
_SHUTDOWN = cygrpc.CompletionType.queue_shutdown


class _GrpcioCall(Call):
    __slots__ = ("_call", "_transport")

    def __init__(self, transport: GrpcioTransport, call: Any, *described: Any) -> None:
        super().__init__(*described)
        self._transport = transport
        self._call = call

    def begin(self) -> None:
        """Have the request received, and the call's end noticed."""
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), self._take_request)
        self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), self._take_end)

    def send_reply(self, payload: bytes) -> None:
        self._send(
            cygrpc.SendInitialMetadataOperation(None, 0),
            cygrpc.SendMessageOperation(payload, 0),
            cygrpc.SendStatusFromServerOperation(None, OK, b"", 0),
        )

    def send_failure(self, status: Status) -> None:
        trailing, message = tuple(status.trailing_metadata), status.message.encode()
        self._send(
            cygrpc.SendInitialMetadataOperation(None, 0),
            cygrpc.SendStatusFromServerOperation(trailing, status.code, message, 0),
        )

    def _send(self, *operations: Any) -> None:
        self._call.start_server_batch(operations, _do_nothing)

    def _take_request(self, event: Any) -> None:
        request: bytes | None = event.batch_operations[0].message()
        if request is not None:  # else the caller has gone, or the library has rejected the message
            self.request = request
            self.received = self._transport.arrived_at = monotonic()
            self._transport.arrived.append(self)
            if self.code is None:  # otherwise it has ended already, and nothing would remove it again
                self._transport.calls.add(self)

    def _take_end(self, _: Any) -> None:
        self._transport.calls.discard(self)
        if self.code is None:
            self.end_by_caller(monotonic())


class GrpcioTransport:
    """grpcio's completion queue behind the interface ``Transport``. Other methods are forwarded to a grpc.aio server.

    Args:
        options: How to listen.
        paths: The methods that are delivered as calls.
        fallback: Serves all others; not started yet.
        admits: Checks all calls, those of other methods, too. None: all are taken.
        on_failure: Called in the serving thread with what ended it; the default logs it and ends the process.
    """

    def __init__(
        self,
        options: ServerOptions,
        paths: Sequence[str],
        fallback: grpc.aio.Server,
        *,
        admits: Admits | None = None,
        on_failure: Callable[[BaseException], None] = end_process,
    ) -> None:
        self._options = options
        self._admits = admits
        self._paths = {path.encode(): path for path in paths}
        self._forwarder = Forwarder(fallback)
        self._on_failure = on_failure
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server((*grpcio_options(options), *_STREAM_LIMITS), False)
        self._server.register_completion_queue(self._queue)
        self._lock = threading.Lock()
        """No call may be requested once the server is shutting down."""
        self._shutting_down = False
        self._ended, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._alive_at = monotonic()
        self._waiting = False
        """Whether the serving thread waits for an event."""
        self._denied = 0
        """Calls that were not admitted in this turn."""
        self.arrived: list[Call] = []
        self.arrived_at = self._alive_at
        self.calls: set[Call] = set()
        """The calls in flight whose requests have arrived."""
        self.own_address = ""

    async def start(self, on_calls: OnCalls) -> str:
        """Begin to listen and to deliver calls; return HOST:PORT, or the address of a socket."""
        options = self._options
        if is_unix(options.host):
            claim_socket(options.host)
        try:
            port = self._listen(options.address, options.credentials)
        except RuntimeError as error:
            raise SettingsError(
                f"port: cannot listen on {options.address}; is it taken, or the host not this machine's?"
            ) from error
        address = join_address(options.host, port)
        folder = await self._forwarder.start()
        self.own_address = address
        if options.credentials is not None:  # without a certificate of its own, the process could not call itself
            self.own_address = f"unix:{folder / 'plain.sock'}"
            self._listen(self.own_address, None)
        self._server.start()
        for _ in range(_REQUESTED_CALLS):
            self._request_call()
        self._alive_at = monotonic()
        self._thread = threading.Thread(target=self._serve, args=(on_calls,), name="presage-serve", daemon=True)
        self._thread.start()
        return address

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and close."""
        if self._thread is None or self._closing.is_set():
            await self._forwarder.close()
            return
        until = monotonic() + grace_seconds
        with self._lock:
            if not self._shutting_down:
                self._shutting_down = True
                self._server.shutdown(self._queue, self._take_end)
        await self._forwarder.stop(grace_seconds)
        while not self._ended.is_set() and self._thread.is_alive() and monotonic() < until:  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(_STOP_POLL_SECONDS)
        self._server.cancel_all_calls()
        await self._forwarder.close()
        self._closing.set()
        await asyncio.to_thread(self._close)

    def check_alive(self) -> None:
        """Check that calls are being taken.

        Raises:
            TransportHungError: They are not.
        """
        silent = monotonic() - self._alive_at
        # A thread that waits takes the next call. It may wait for long: until a time of the system's clock, which may be set back.
        if silent > _HUNG_SECONDS and not self._waiting:
            raise TransportHungError(f"the serving thread has not taken calls for {silent:.0f} s")

    def _listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listen there, too; return the port.

        Raises:
            RuntimeError: It is not possible.
        """
        of_library = None if credentials is None else credentials._credentials  # type: ignore[attr-defined]  # noqa: SLF001 - as grpc.server does
        port = self._server.add_http2_port(address.encode(), of_library)
        if not port:
            raise RuntimeError(address)
        return int(port)

    def _close(self) -> None:
        """Take the last events; no operation is begun any more."""
        assert self._thread is not None
        self._thread.join(_HUNG_SECONDS)
        if self._thread.is_alive():
            return  # beginning an operation after the queue's shutdown, as its next reply would, is the process's end
        self._queue.shutdown()
        until = time() + _HUNG_SECONDS
        while (event := self._queue.poll(until)).completion_type not in {_SHUTDOWN, _TIMEOUT}:
            event.tag(event)
        if event.completion_type == _SHUTDOWN:
            self._server.destroy()
        if is_unix(self._options.host):
            release_socket(self._options.host)

    def _serve(self, on_calls: OnCalls) -> None:
        """Take calls and have them processed until the transport closes."""
        wait_seconds = 0.0
        try:
            while not self._closing.is_set():
                self._take_events(min(wait_seconds, _STOP_POLL_SECONDS) if self._shutting_down else wait_seconds)
                self._alive_at = monotonic()
                calls, self.arrived = self.arrived, []
                wait_seconds = on_calls(calls)
                del calls  # none that has ended is kept while the thread waits
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody takes calls any more
            self._on_failure(error)

    def _take_events(self, wait_seconds: float) -> None:
        """Take what has arrived, after waiting for a call. Other events, such as that a reply was written, are taken meanwhile."""
        poll, arrived = self._queue.poll, self.arrived
        self._denied = 0
        until = time() + wait_seconds if wait_seconds else _NOW  # of the system's clock, as the library wants it
        for _ in range(_MAX_EVENTS):
            if arrived:
                event = poll(_NOW)
            else:
                self._waiting = True
                event = poll(until)
                self._waiting = False
            if event.completion_type == _TIMEOUT:
                break
            event.tag(event)
            event = None  # while one is held that refers to a call that has ended, the library's threads may spin
            if self._denied >= _MAX_DENIED:
                break
            if self._shutting_down:
                until = _NOW

    def _request_call(self) -> None:
        with self._lock:
            if not self._shutting_down:
                self._server.request_call(self._queue, self._queue, self._take_call)

    def _take_call(self, event: Any) -> None:
        if not event.success or self._closing.is_set():  # what was not taken until the end has been cancelled
            return
        self._request_call()
        now, details, metadata = monotonic(), event.call_details, event.invocation_metadata
        left = details.deadline - time()
        path = self._paths.get(details.method)
        is_ours = path is not None
        if path is None:
            path = details.method.decode() if details.method.isascii() else ""
        deadline = now + left if left < _FOREVER_SECONDS else float("inf")
        call = _GrpcioCall(self, event.call, path, b"", now, deadline, metadata, event.call.peer().decode())
        if self._admits is not None and not self._admits(call):
            self._denied += 1
            return  # it has been ended, before its request was received
        if is_ours:
            call.begin()
        elif path:
            self._forwarder.take(event.call, path, metadata, left if left < _FOREVER_SECONDS else None)
        else:  # its name is not text, and nobody's
            call.fail(_NO_SUCH_METHOD)

    def _take_end(self, _: Any) -> None:
        self._ended.set()


def _do_nothing(_: Any) -> None:
    """Take the event of a reply that has been written, or could not be."""
