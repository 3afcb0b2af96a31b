"""Reads the metrics for all who look at them, no more often than there is something new."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from prometheus_client import Metric

from presage_console.errors import SourceError
from presage_console.live.readings import Readings
from presage_console.live.scrape import Scrape

__all__ = ["EVERY_SECONDS", "LiveFeed"]

EVERY_SECONDS: Final = 2.0
"""How often the metrics are read while somebody looks."""
_FRESH_SECONDS: Final = 1.0


class LiveFeed:
    """The readings of one server.

    Args:
        read: Reads its metrics; raises SourceError.
        now: The clock, in microseconds of Unix time.
    """

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, Metric]]], now: Callable[[], int]) -> None:
        self._read, self._now = read, now
        self._lock = asyncio.Lock()
        self._read_at: int | None = None
        self.readings = Readings()
        """What has been read so far."""

    async def refresh(self) -> Readings:
        """Read the metrics, unless that was done within the last second; a server that cannot be read is noted as that."""
        async with self._lock:
            if self._read_at is None or not 0 <= self._now() - self._read_at < _FRESH_SECONDS * 1e6:
                try:
                    metrics = await self._read()
                except SourceError as error:
                    self.readings.miss(self._now(), str(error))
                else:
                    self.readings.take(Scrape.of(metrics, self._now()))
                self._read_at = self._now()
        return self.readings
