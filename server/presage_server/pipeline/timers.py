"""Timers that are nearly always cancelled: a list entry each, and one timer of the loop for all of a millisecond.

A call sets two, and a timer of the loop costs microseconds to set and cancel. These are at most a millisecond late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Timer", "Timers", "timers_of"]

_GRAIN_SECONDS = 0.001
_NEVER = 1 << 62


class Timer:
    """Something that is to happen, unless it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Have it not happen."""
        self.callback = None


class Timers:
    """The timers of one loop, by the millisecond in which they are due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._slots: dict[int, list[Timer]] = {}
        self._order: list[int] = []
        """The slots as a heap: there are as many as milliseconds ahead, however many timers."""
        self._armed_for = _NEVER
        """The slot that the loop's own timer is set for."""

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Have something happen so many seconds from now, or up to a millisecond later."""
        timer = Timer(callback)
        slot = int((self.loop.time() + seconds) / _GRAIN_SECONDS) + 1
        timers = self._slots.get(slot)
        if timers is not None:
            timers.append(timer)
            return timer
        self._slots[slot] = [timer]
        heappush(self._order, slot)
        if slot < self._armed_for:
            self._arm(slot * _GRAIN_SECONDS, slot)
        return timer

    def _arm(self, due: float, slot: int) -> None:
        # A timer of the loop that is due earlier finds nothing to do; so it need not be cancelled.
        self._armed_for = slot
        self.loop.call_at(due, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        latest = int(now / _GRAIN_SECONDS)
        order = self._order
        while order and order[0] <= latest:
            for timer in self._slots.pop(heappop(order)):
                if timer.callback is not None:
                    timer.callback()
        self._armed_for = _NEVER
        if order:
            self._arm(max(order[0] * _GRAIN_SECONDS, now + _GRAIN_SECONDS), order[0])


_latest: list[Timers] = []


def timers_of(loop: asyncio.AbstractEventLoop) -> Timers:
    """Find a loop's timers; a process has one loop that matters."""
    if _latest and _latest[0].loop is loop:
        return _latest[0]
    _latest[:] = [Timers(loop)]
    return _latest[0]
