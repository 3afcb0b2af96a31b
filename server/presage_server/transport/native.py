"""pygrpc-native's server, with calls refused before they cost anything when the loop is behind."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Coroutine, Sequence
from inspect import CORO_CREATED, getcoroutinestate
from time import perf_counter
from typing import Any, cast

import grpc
import pygrpc_native.aio  # "from pygrpc_native import aio" would call itself for ever
from pygrpc_native import EVENT_CALL, EVENT_CANCEL

from presage_server.pipeline.admission import Admission
from presage_server.pipeline.in_flight import refusal
from presage_server.rpc.handlers import SERVICE_NAME
from presage_server.telemetry.metrics import Metrics

__all__ = ["NativeServer"]

_BATCH = 1_024
"""Events that are taken over at once at most. Each time needs the interpreter's lock, so the base's 64 are few under load."""

_BUSY_SECONDS = 0.0005
"""While calls come closer together than this, the loop does not sleep: to be woken takes two threads and 60 µs of each call."""

_GAPS = 8
"""Over so many gaps the mean is taken, roughly."""

_FEW_CALLS = 4
_TOGETHER_SECONDS = 0.0005
"""While more than a few calls are under way, no others are taken over for so long: to share a read and a run of the model halves
what a call costs. At 16 in flight that answers a third more calls a second, and each of them sooner."""

_ORPHANED_SECONDS = 1.0
"""How often the thread that waits for the loop to rest looks whether the loop is still there."""

_FLUSH_SECONDS = 0.2
_FLUSH_IDLE_SECONDS = 0.02
"""What the threads that write answers get for the last ones: the base closes connections whatever is still to be written."""


class NativeServer(pygrpc_native.aio.Server):
    """A server whose HTTP/2 and gRPC framing run outside the interpreter's lock.

    Its base has a thread that waits for calls and hands them over to the loop in batches. Here the loop itself looks for them while
    they come often, and the thread waits only for the first ones after a rest: it would want the interpreter's lock for each batch,
    and the loop would sleep and have to be woken between two calls.

    Refusing a call takes a fraction of what a task, a context and an exception would: under a load of several times what can be
    served, refusing must not be what the time is spent on.
    """

    def __init__(
        self, *, options: Sequence[tuple[str, Any]], metrics: Metrics, admission: Admission, io_threads: int
    ) -> None:
        super().__init__(options=options, io_threads=io_threads)
        self._metrics = metrics
        self._admission = admission
        self._ending: asyncio.Future[None] | None = None
        self._resting = threading.Semaphore()
        """Held by who waits for calls: the thread while the loop rests, or the loop."""
        self._looked = self._came = perf_counter()
        """When was last looked for calls, and when some came."""
        self._gap_seconds = 2 * _BUSY_SECONDS
        self._streams = 0

    async def stop(self, grace: float | None) -> None:
        """End, as ``grpc.aio.Server.stop`` does; also once a drain was broken off, for whose end the base would wait for ever."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(grace))
        elif not grace:
            if self._fallback is not None:
                await self._fallback.stop(None)
            for call in list(self._calls.values()):
                if call.task is not None:
                    call.task.cancel()
        await asyncio.shield(self._ending)

    async def _end(self, grace: float | None) -> None:
        """Let calls under way end and their answers leave, then have the base stop."""
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        try:
            if grace:
                if tasks:
                    await asyncio.wait(tasks, timeout=grace)
                await asyncio.sleep(_FLUSH_SECONDS if tasks else _FLUSH_IDLE_SECONDS)
            await super().stop(None)
        finally:  # the base does not get so far when it is cancelled
            if self._fallback_dir is not None:
                shutil.rmtree(self._fallback_dir, ignore_errors=True)

    def _dispatch(self) -> None:
        """Wake the loop for calls while it rests; runs in a thread of its own, which waits without the interpreter's lock."""
        front, loop = self._front, self._loop
        assert front is not None
        assert loop is not None
        while True:
            while not self._resting.acquire(timeout=_ORPHANED_SECONDS):
                if loop.is_closed():  # without stop()
                    front.close()
                    return
            events = front.recv_batch_details(_BATCH)
            if events is None:
                return
            try:
                loop.call_soon_threadsafe(self._wake, events, perf_counter())
            except RuntimeError:  # as above
                front.close()
                return

    def _wake(self, events: list[tuple[Any, ...]], since: float) -> None:
        """Take over what came while the loop rested."""
        self._looked = since
        self._came_at(perf_counter(), events)

    def _look(self) -> None:
        """Take over what has come since the last look."""
        assert self._front is not None
        now = perf_counter()
        if self._under_way() > _FEW_CALLS and now - self._looked < _TOGETHER_SECONDS:
            self._go_on(busy=True)
            return
        events = self._front.recv_batch_details(_BATCH, 0)
        if events:
            self._came_at(now, events)
            return
        self._looked = now
        self._go_on(busy=events is not None and now - self._came < _BUSY_SECONDS)  # None: the server has ended

    def _came_at(self, now: float, events: list[tuple[Any, ...]]) -> None:
        """Take over what came, and go on looking if calls come often."""
        # One long gap is a pause, not the end of a load.
        gap = min(now - self._came, 2 * _BUSY_SECONDS)
        self._gap_seconds += (gap - self._gap_seconds) / _GAPS
        since, self._came, self._looked = self._looked, now, now
        try:
            self._take_over(events, since)
        finally:  # whatever becomes of these calls, somebody has to wait for the next ones
            self._go_on(busy=self._gap_seconds < _BUSY_SECONDS)

    def _go_on(self, *, busy: bool) -> None:
        """Look again in the next turn, or rest."""
        if busy:
            assert self._loop is not None
            self._loop.call_soon(self._look)
        else:
            self._resting.release()

    def _under_way(self) -> int:
        """Count the calls that are to be answered soon; a stream, such as a watch of the health, may stay for days."""
        return len(self._calls) - self._streams

    async def _run_stream(self, call: Any, context: Any, request: Any) -> None:
        self._streams += 1
        try:
            await super()._run_stream(call, context, request)
        finally:
            self._streams -= 1

    def _take_over(self, events: list[tuple[Any, ...]], since: float) -> None:
        """Begin calls, or refuse them; ``since`` is when they came."""
        front = self._front
        assert front is not None
        begun: list[tuple[Any, ...]] = []
        cancelled = []
        for event in events:
            kind, call_id, method_id = event[:3]
            if kind == EVENT_CANCEL:
                cancelled.append(call_id)
            if kind == EVENT_CALL and self._ending is not None:
                front.fail(call_id, grpc.StatusCode.UNAVAILABLE.value[0], "the server is shutting down; try another")
                continue
            if kind == EVENT_CALL:
                _, service, method = self._table[method_id][0].split("/")
                # Health is asked for most when there is too much to do.
                under_way = self._under_way() + len(begun)
                if service == SERVICE_NAME and not self._admission.admits(under_way):
                    self._metrics.count_call(method, "RESOURCE_EXHAUSTED", 0.0)
                    front.fail(call_id, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], refusal(under_way))
                    continue
            begun.append(event)
        self._on_events(begun)
        if self._admission.heeds(self._under_way()):
            assert self._loop is not None
            self._loop.call_soon(self._admission.had_turn, since)  # behind the first turns of the tasks of these calls
        for call_id in cancelled:
            self._forget_unbegun(call_id)

    def _forget_unbegun(self, call_id: int) -> None:
        """Let go of a call that was cancelled before its task had its first turn: the base would keep it for ever."""
        call = self._calls.get(call_id)
        if call is None or call.task is None:
            return
        if getcoroutinestate(cast("Coroutine[Any, Any, None]", call.task.get_coro())) == CORO_CREATED:
            del self._calls[call_id]

    async def _unary_response(self, call: Any, context: Any, request: Any) -> tuple[bool, Any]:
        """Run a handler; unlike the base, without a look in every call at what kind of function it is: all are coroutines."""
        try:
            response = await call.handler.unary_unary(request, context)
        except Exception as error:  # noqa: BLE001 - the base makes a status of it
            self._failed(call, context, error)
            return False, None
        if context.code() not in (None, grpc.StatusCode.OK):
            self._fail(call, context, None)
            return False, None
        return True, response
