"""Which calls are begun when more come than can be served: few enough for those that are begun to be answered in time.

The measure is the loop itself. A long turn now and then is a hiccup. When all turns have been long for a while, the loop is behind:
from then on a turn begins only so many calls, so that there is time to refuse the rest at once: that costs a few microseconds where
serving costs fifty. That ends when nothing had to be refused for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

__all__ = ["Admission"]

_LONG_TURN_SECONDS = 0.002
_HICCUP_SECONDS = 0.1
"""Long turns are no more than a hiccup as long as there is a short one in every such time."""
_CALLS_OF_A_TURN = 12
"""A call takes a few turns: with so many in each, about as many milliseconds."""
_CALM_SECONDS = 0.2


class Admission:
    """Decides over calls as they come; for one loop.

    Args:
        calls: How many calls a turn begins when the loop is behind.
        clock: Tells the time in seconds.
    """

    def __init__(self, *, calls: int = _CALLS_OF_A_TURN, clock: Callable[[], float] = perf_counter) -> None:
        self._calls = calls
        self._clock = clock
        self._begun = 0
        self._turn_began: float | None = None
        self._long_since: float | None = None
        self._behind_until = 0.0

    def admits(self) -> bool:
        """Tell whether to begin one more call in this turn of the loop."""
        began = self._turn_began
        if began is None:
            began = self._turn_began = self._clock()
            # Runs in the next turn, so when everything of this one is done.
            asyncio.get_running_loop().call_soon(self.end_turn)
        if self._begun >= self._calls and began < self._behind_until:
            self._behind_until = began + _CALM_SECONDS
            return False
        self._begun += 1
        return True

    def end_turn(self) -> None:
        """Note how long the turn took."""
        assert self._turn_began is not None
        now = self._clock()
        if now - self._turn_began <= _LONG_TURN_SECONDS:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = self._turn_began
        elif now - self._long_since > _HICCUP_SECONDS:
            self._behind_until = now + _CALM_SECONDS
        self._turn_began = None
        self._begun = 0
