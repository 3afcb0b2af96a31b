"""Timers that are nearly always cancelled: a list entry each, and one timer of the loop for all of them.

A call sets two, and a timer of the loop costs microseconds to set and cancel. These are at most a millisecond late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Timer", "Timers", "timers_of"]

_GRAIN_SECONDS = 0.001


class Timer:
    """Something that is to happen, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Have it not happen."""
        self.callback = None


class Timers:
    """The timers of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._heap: list[tuple[float, int, Timer]] = []
        self._set = 0
        self._armed_for = 0.0
        """When the loop's own timer is due; 0 if none is."""

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Have something happen so many seconds from now, or up to a millisecond later."""
        due = self.loop.time() + seconds
        timer = Timer(callback)
        self._set += 1
        heappush(self._heap, (due, self._set, timer))
        if not self._armed_for or due < self._armed_for - _GRAIN_SECONDS:
            self._arm(due)
        return timer

    def _arm(self, due: float) -> None:
        # A timer of the loop that is due earlier finds nothing to do; so it need not be cancelled.
        self._armed_for = due
        self.loop.call_at(due, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        heap = self._heap
        while heap and (heap[0][2].callback is None or heap[0][0] <= now):
            callback = heappop(heap)[2].callback
            if callback is not None:
                callback()
        self._armed_for = 0.0
        if heap:
            self._arm(max(heap[0][0], now + _GRAIN_SECONDS))


_latest: list[Timers] = []


def timers_of(loop: asyncio.AbstractEventLoop) -> Timers:
    """Find a loop's timers; a process has one loop that matters."""
    if _latest and _latest[0].loop is loop:
        return _latest[0]
    _latest[:] = [Timers(loop)]
    return _latest[0]
