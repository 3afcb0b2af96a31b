"""pygrpc-native's server, with calls refused before they cost anything when the loop is behind."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Sequence
from inspect import CORO_CREATED, getcoroutinestate
from time import perf_counter
from typing import Any, cast

import grpc
import pygrpc_native.aio  # "from pygrpc_native import aio" would call itself for ever
from pygrpc_native import EVENT_CALL, EVENT_CANCEL

from presage_server.admission import Admission
from presage_server.handlers import SERVICE_NAME
from presage_server.in_flight import refusal
from presage_server.metrics import Metrics

__all__ = ["NativeServer"]

_BATCH = 1_024
"""Events that are taken over at once at most. Each time needs the interpreter's lock, so the base's 64 are few under load."""

_FLUSH_SECONDS = 0.2
_FLUSH_IDLE_SECONDS = 0.02
"""What the threads that write answers get for the last ones: the base closes connections whatever is still to be written."""


class NativeServer(pygrpc_native.aio.Server):
    """A server whose HTTP/2 and gRPC framing run outside the interpreter's lock.

    Its base hands over what has come in batches. Refusing a call there takes a fraction of what a task, a context and an exception
    would: under a load of several times what can be served, refusing must not be what the time is spent on.
    """

    def __init__(
        self, *, options: Sequence[tuple[str, Any]], metrics: Metrics, admission: Admission, io_threads: int
    ) -> None:
        super().__init__(options=options, io_threads=io_threads)
        self._metrics = metrics
        self._admission = admission
        self._ending: asyncio.Future[None] | None = None

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
        """Hand events over to the loop; runs in a thread of its own, which waits without the interpreter's lock."""
        front, loop = self._front, self._loop
        assert front is not None
        assert loop is not None
        while (events := front.recv_batch_details(_BATCH)) is not None:
            try:
                loop.call_soon_threadsafe(self._take_over, events, perf_counter())
            except RuntimeError:  # the loop was closed without stop()
                front.close()
                return

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
                under_way = len(self._calls) + len(begun)
                if service == SERVICE_NAME and not self._admission.admits(under_way):
                    self._metrics.count_call(method, "RESOURCE_EXHAUSTED", 0.0)
                    front.fail(call_id, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], refusal(under_way))
                    continue
            begun.append(event)
        self._on_events(begun)
        if self._admission.heeds(len(self._calls)):
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
