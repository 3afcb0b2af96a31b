"""Which calls are begun when more come than can be served: few enough for those that are begun to be answered in time.

A few calls are always begun. Beyond them, the measure is how long calls take to have a turn of the loop. If that was too long
over a tenth of a second, the loop is behind: until nothing was refused for a while, no more than a few calls are under way. So
these are soon answered, and there is time to refuse the rest at once, which costs a few microseconds where serving costs forty.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

__all__ = ["Admission"]

_LATE_SECONDS = 0.003
_WINDOW_SECONDS = 0.1
_CALM_SECONDS = 0.2
_FEW_CALLS = 40
"""Under way at once they give nearly all that a process can serve, and each takes some milliseconds."""


class Admission:
    """Decides over calls as they come; for one loop.

    Args:
        most: How many calls may be under way, also when the loop is not behind.
        few: How many may be when it is.
        clock: Tells the time in seconds.
    """

    def __init__(self, most: int, *, few: int = _FEW_CALLS, clock: Callable[[], float] = perf_counter) -> None:
        self._most = most
        self._few = min(few, most)
        self._clock = clock
        self._behind_until = self._window_began = clock()
        self._took_seconds = 0.0
        self._turns = 0

    def admits(self, under_way: int) -> bool:
        """Tell whether to begin one more call beside those under way."""
        if under_way < self._few:
            return True
        if under_way >= self._most:
            return False
        now = self._clock()
        if now >= self._behind_until:
            return True
        self._behind_until = now + _CALM_SECONDS
        return False

    def heeds(self, under_way: int) -> bool:
        """Tell whether so many calls are under way that it counts how long they take to have a turn."""
        return under_way > self._few

    def had_turn(self, since: float) -> None:
        """Note that calls which came at this time, by the clock, have had their first turn."""
        now = self._clock()
        if now - self._window_began > 2 * _WINDOW_SECONDS:  # too long ago to be about the same load
            self._begin_window(since)
        self._took_seconds += now - since
        self._turns += 1
        if now - self._window_began >= _WINDOW_SECONDS:
            if self._took_seconds > _LATE_SECONDS * self._turns:
                self._behind_until = now + _CALM_SECONDS
            self._begin_window(now)

    def _begin_window(self, now: float) -> None:
        self._window_began, self._took_seconds, self._turns = now, 0.0, 0
