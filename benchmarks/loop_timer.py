"""Times what is awaited, without the start and the stop of the event loop around it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

__all__ = ["LoopTimer"]

T = TypeVar("T")


class LoopTimer:
    """A clock, as pytest-benchmark takes one, that only runs while something is awaited through it.

    Args:
        clock: What it runs by; ``process_time`` makes it count this process's CPU.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._seconds = 0.0

    def __call__(self) -> float:
        """Tell for how many seconds it has run."""
        return self._seconds

    def run(self, runner: asyncio.Runner, operation: Callable[[], Awaitable[T]]) -> T:
        """Await an operation on a runner's loop while the clock runs."""
        return runner.run(self._timed(operation))

    async def _timed(self, operation: Callable[[], Awaitable[T]]) -> T:
        started = self._clock()
        try:
            return await operation()
        finally:
            self._seconds += self._clock() - started
