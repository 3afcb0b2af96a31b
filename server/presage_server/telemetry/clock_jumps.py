"""Jumps of the machine's clock, which puts its time on every event that comes without one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from presage_server.clock import Clock, system_clock
from presage_server.telemetry.counting import Count

__all__ = ["ClockWatch"]

_logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_JUMP_SECONDS = 3.0
"""A clock that is slewed, as NTP does it, gains or loses less than this in months of checks."""


class ClockWatch:
    """Compares the clock with one that cannot be set, every second, and logs and counts each jump by more than three seconds.

    Args:
        jumps: Counts the jumps.
        clock: The clock that events are dated by.
        steady: Seconds of a clock that cannot be set.
    """

    def __init__(self, jumps: Count, clock: Clock = system_clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._jumps = jumps
        self._clock = clock
        self._steady = steady
        self._offset = self._measure()

    async def run(self) -> None:
        """Check every second until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.check()

    def check(self) -> None:
        """Check once."""
        offset = self._measure()
        jump, self._offset = offset - self._offset, offset
        if abs(jump) <= _JUMP_SECONDS:
            return
        self._jumps.inc()
        _logger.warning(
            "the clock jumped %.1f s %s: it was set, or the machine was suspended; events without a time of their own get its time",
            abs(jump),
            "ahead" if jump > 0 else "back",
        )

    def _measure(self) -> float:
        """Return how far the clock is ahead of the steady one, read right before and after it: a pause in between is no jump."""
        before = self._steady()
        now = self._clock() / 1e6
        return now - (before + self._steady()) / 2
