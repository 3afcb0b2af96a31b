"""The native transport: pygrpc-native's low-level API, with HTTP/2 and gRPC framing in Rust, outside the interpreter's lock.

One thread takes what has arrived, has it processed, and takes what has arrived meanwhile. There is no event loop in it.
Methods that are not served here (health, reflection, streams) go to a grpc.aio server on a unix socket behind it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import grpc
from pygrpc_native import EVENT_CALL, NativeGrpcFront

from presage_server.call import Call
from presage_server.errors import SettingsError
from presage_server.rpc.status import Status
from presage_server.transport.addresses import claim_socket, is_unix, join_address, release_socket
from presage_server.transport.fallback import Fallback
from presage_server.transport.interface import (
    MAX_METADATA_BYTES,
    MAX_STREAMS,
    Admits,
    OnCalls,
    ServerOptions,
    TransportHungError,
    end_process,
)

__all__ = ["NativeTransport"]

_MAX_EVENTS = 1_024
"""Events taken at once at most."""
_MAX_BACKLOG = 16 * _MAX_EVENTS
_ALL_THE_TIME_SECONDS, _OFTEN_SECONDS = 0.0001, 0.001
_POLL_SECONDS = 0.0002
"""While a batch comes every 0.1 to 1 ms, new calls are polled for this long before the thread sleeps: waking up costs
a lone call more time than most of what is done for it. More often, the other threads need the core. Price: a core looks busy."""
_MAX_GAP_SECONDS = 0.01
_GAP_WEIGHT = 0.2
_HUNG_SECONDS = 10.0
"""A serving thread that has not taken calls for this long hangs: it does so twice a second when idle."""
_STOP_POLL_SECONDS = 0.005
_FLUSH_SECONDS = 0.2
_FLUSH_IDLE_SECONDS = 0.02
"""How long the threads that write get for the last replies: closing drops what is not written yet."""

_RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]


class _NativeCall(Call):
    __slots__ = ("_id", "_transport")

    def __init__(self, transport: NativeTransport, call_id: int, *described: Any) -> None:
        super().__init__(*described)
        self._transport = transport
        self._id = call_id

    def send_reply(self, payload: bytes) -> None:
        transport = self._transport
        transport.calls.pop(self._id, None)
        transport.front.respond(self._id, payload)

    def send_failure(self, status: Status) -> None:
        transport = self._transport
        transport.calls.pop(self._id, None)
        transport.front.fail(self._id, status.code, status.message, list(status.trailing_metadata))


class NativeTransport:
    """pygrpc-native behind the interface ``Transport``.

    Args:
        options: How to listen.
        paths: The methods that are delivered as calls.
        fallback: Serves all others; not started yet. None: they are unimplemented.
        admits: Checks the calls of these methods; the fallback checks its own. None: all are taken.
        on_failure: Called in the serving thread with what ended it; the default logs it and ends the process.
    """

    def __init__(
        self,
        options: ServerOptions,
        paths: Sequence[str],
        fallback: grpc.aio.Server | None = None,
        *,
        admits: Admits | None = None,
        on_failure: Callable[[BaseException], None] = end_process,
    ) -> None:
        self._options = options
        self._paths = list(paths)
        self._admits = admits
        self._fallback = Fallback(fallback) if fallback is not None else None
        self._on_failure = on_failure
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._alive_at = self.arrived_at = monotonic()
        self._gap_seconds = _MAX_GAP_SECONDS
        """The usual time between two batches of calls."""
        self.front: NativeGrpcFront
        self.calls: dict[int, _NativeCall] = {}
        """The calls in flight."""
        self.own_address = ""

    async def start(self, on_calls: OnCalls) -> str:
        """Begin to listen and to deliver calls; return HOST:PORT, or the address of a socket."""
        options = self._options
        if is_unix(options.host):
            claim_socket(options.host)
        try:
            self.front = NativeGrpcFront(
                options.address,
                [(path, False) for path in self._paths],
                io_threads=options.io_threads,
                call_details=True,
                # grpc-core's hard limit for the same soft limit.
                max_metadata_size=2 * MAX_METADATA_BYTES,
                reuse_port=options.share_port,
                max_concurrent_streams=MAX_STREAMS,
            )
        except OSError as error:
            raise SettingsError(
                f"port: cannot listen on {options.address}; is it taken, or the host not this machine's?"
            ) from error
        if self._fallback is not None:
            self.front.set_fallback(await self._fallback.start())
        self.front.start()
        self._alive_at = monotonic()
        self._thread = threading.Thread(target=self._serve, args=(on_calls,), name="presage-serve", daemon=True)
        self._thread.start()
        self.own_address = join_address(options.host, self.front.bound_port)
        return self.own_address

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and close."""
        had_calls, until = bool(self.calls), monotonic() + grace_seconds
        self._stopping = True
        try:
            if self._fallback is not None:
                await self._fallback.stop(grace_seconds)
            while self.calls and monotonic() < until:  # noqa: ASYNC110 - the calls belong to another thread
                await asyncio.sleep(_STOP_POLL_SECONDS)
            if grace_seconds:
                await asyncio.sleep(_FLUSH_SECONDS if had_calls else _FLUSH_IDLE_SECONDS)
        finally:
            self._close()

    def check_alive(self) -> None:
        """Check that calls are being taken.

        Raises:
            TransportHungError: They are not.
        """
        silent = monotonic() - self._alive_at
        if silent > _HUNG_SECONDS:
            raise TransportHungError(f"the serving thread has not taken calls for {silent:.0f} s")

    def _close(self) -> None:
        if self._thread is not None:  # else it was never started
            self.front.close()
            self._thread.join(_HUNG_SECONDS)
            if is_unix(self._options.host):
                release_socket(self._options.host)
        if self._fallback is not None:
            self._fallback.close()

    def _serve(self, on_calls: OnCalls) -> None:
        """Take calls and have them processed until the front is closed."""
        wait_ms = 0
        try:
            while (events := self._receive(wait_ms)) is not None:
                self._alive_at = now = monotonic()
                if events:
                    gap = min(now - self.arrived_at, _MAX_GAP_SECONDS)
                    self._gap_seconds += (gap - self._gap_seconds) * _GAP_WEIGHT
                    self.arrived_at = now
                wait_ms = int(on_calls(self._take(events, now) if events else []) * 1e3)
        except BaseException as error:  # noqa: BLE001 - a panic in the library is a BaseException
            self._on_failure(error)

    def _receive(self, wait_ms: int) -> Sequence[tuple[Any, ...]] | None:
        """Return what has arrived; None: the front has been closed. While calls come often, poll for a moment before sleeping."""
        receive = self.front.recv_batch_details
        events: list[tuple[Any, ...]] | None = []
        if wait_ms and _ALL_THE_TIME_SECONDS < self._gap_seconds < _OFTEN_SECONDS:
            until = monotonic() + _POLL_SECONDS
            while not events and events is not None and monotonic() < until:
                events = receive(_MAX_EVENTS, 0)
        if not events and events is not None:
            events = receive(_MAX_EVENTS, wait_ms)
        if events is not None and len(events) == _MAX_EVENTS:
            # The library hands out the oldest first. In an overload the newest are served, so they have to be seen.
            while len(events) < _MAX_BACKLOG and (more := receive(_MAX_EVENTS, 0)):
                events += more
        return events

    def _take(self, events: Sequence[tuple[Any, ...]], now: float) -> list[Call]:
        """Make calls of events, and note which calls were cancelled."""
        calls: list[Call] = []
        in_flight, paths, admits = self.calls, self._paths, self._admits
        most = self._options.max_message_bytes
        for kind, call_id, method, payload, _, details in events:
            if kind != EVENT_CALL:
                cancelled = in_flight.pop(call_id, None)
                if cancelled is not None and cancelled.code is None:
                    cancelled.end_by_caller(now)
                continue
            metadata, peer, left = details
            deadline = now + left if left is not None else float("inf")
            call = _NativeCall(self, call_id, paths[method], payload, now, deadline, metadata, peer)
            in_flight[call_id] = call
            if self._stopping:
                call.fail(Status(_UNAVAILABLE, "the server is shutting down; try another"))
            elif admits is not None and not admits(call):
                pass  # it has been ended
            elif len(payload) > most:
                message = f"Received message larger than max ({len(payload)} vs. {most})"  # as grpc-core words it
                call.fail(Status(_RESOURCE_EXHAUSTED, message))
            else:
                calls.append(call)
        return calls
