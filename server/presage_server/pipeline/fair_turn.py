"""Long work in short turns, so that other calls on the loop need not wait for all of it."""

from __future__ import annotations

import asyncio

__all__ = ["FairTurn"]

_UNITS = 200
"""A turn's length: a few hundred microseconds, for units of a microsecond or two each."""


class FairTurn:
    """Counts work done, and lets others have the loop when a turn is over."""

    def __init__(self) -> None:
        self._left = _UNITS

    async def take(self, units: int) -> None:
        """Count units of work as done: an item decoded, an event folded."""
        self._left -= units
        if self._left <= 0:
            self._left = _UNITS
            await asyncio.sleep(0)
