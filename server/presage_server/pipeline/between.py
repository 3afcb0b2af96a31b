"""Work of other threads that has to be done by the one that serves, between two batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from presage_server.call import Call
from presage_server.transport.interface import OnCalls

__all__ = ["BetweenBatches"]


class BetweenBatches:
    """Takes the place of a pipeline's turn, and does before it what other threads have asked for.

    Args:
        turn: The pipeline's.
    """

    def __init__(self, turn: OnCalls) -> None:
        self._turn = turn
        self._work: deque[Callable[[], None]] = deque()

    def run(self, work: Callable[[], None]) -> None:
        """Have the serving thread call something that must not raise, and that all calls wait for; within half a second."""
        self._work.append(work)

    def turn(self, calls: list[Call]) -> float:
        """Do what was asked for, then have the pipeline's turn."""
        if self._work:
            self._work.popleft()()
        return self._turn(calls)
