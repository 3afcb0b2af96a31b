"""Lines of the log that a busy server would write thousands of times a second."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["Seldom"]


class Seldom:
    """Lets some lines through at once, and then one at a time; counts those that are left out.

    Args:
        at_once: How many lines pass before the first one is left out.
        seconds: After which time one more passes.
        clock: Seconds.
    """

    def __init__(self, *, at_once: int = 20, seconds: float = 1.0, clock: Callable[[], float] = monotonic) -> None:
        self._at_once = at_once
        self._seconds = seconds
        self._clock = clock
        self._room = float(at_once)
        self._looked_at = clock()
        self._left_out = 0

    def passes(self) -> bool:
        """Return whether a line is to be written, and count it if not."""
        now = self._clock()
        self._room = min(float(self._at_once), self._room + (now - self._looked_at) / self._seconds)
        self._looked_at = now
        if self._room < 1.0:
            self._left_out += 1
            return False
        self._room -= 1.0
        return True

    def left_out(self) -> str:
        """Return how many lines were left out since the last call, as a suffix for the next line; empty if none were."""
        count, self._left_out = self._left_out, 0
        return f" ({count} more of its kind were left out)" if count else ""
