"""How fast to go, so that live calls do not suffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event as Flag
from time import monotonic

__all__ = ["Pace"]

_LONGEST_PAUSE_SECONDS = 5.0
_SHORT_PAUSE_SECONDS = 0.001


class Pace:
    """Keeps a limit, and pauses after each use of the store for at least as long as the use took: a slow store is used less.

    Args:
        visitors_per_second: The limit; 0 for none.
        stop: Ends a pause.
        clock: Returns seconds.
    """

    def __init__(self, visitors_per_second: float, *, stop: Flag, clock: Callable[[], float] = monotonic) -> None:
        self._seconds_per_visitor = 1.0 / visitors_per_second if visitors_per_second else 0.0
        self._stop = stop
        self._clock = clock

    @contextmanager
    def visitors(self, count: int) -> Iterator[None]:
        """Use the store for some visitors, then pause."""
        started = self._clock()
        yield
        took = self._clock() - started
        self.pause(max(took, count * self._seconds_per_visitor - took))

    def pause(self, seconds: float = _SHORT_PAUSE_SECONDS) -> None:
        """Leave the store to others for a moment."""
        self._stop.wait(min(seconds, _LONGEST_PAUSE_SECONDS))
