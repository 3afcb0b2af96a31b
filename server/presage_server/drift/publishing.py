"""Stores what a server has counted, every minute."""

from __future__ import annotations

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from presage_server.drift.counting import ServedCounts
from presage_server.drift.stored_hours import write_hours

__all__ = ["CountsPublisher"]

_logger = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
_COUNT_EVERY_SECONDS = 5.0
_STORE_SECONDS = 5.0


class CountsPublisher:
    """Stores the hours that were counted; what cannot be stored is tried again a minute later.

    Args:
        counts: What was counted.
        redis: The store.
        writer: Names this process among all that serve.
        every_seconds: How often.
    """

    def __init__(
        self, counts: ServedCounts, redis: Redis, *, writer: str, every_seconds: float = _EVERY_SECONDS
    ) -> None:
        self._counts = counts
        self._redis = redis
        self._writer = writer
        self._every_seconds = every_seconds
        self._is_failing = False

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            slept = 0.0
            while slept < self._every_seconds:
                pause = min(_COUNT_EVERY_SECONDS, self._every_seconds - slept)
                await asyncio.sleep(pause)
                slept += pause
                self._counts.flush()  # few calls must not wait for the next hour
            await self.publish()

    async def publish(self) -> None:
        """Store once."""
        hours = self._counts.hours()
        if not hours:
            return
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await write_hours(self._redis, hours, writer=self._writer)
        except (RedisError, OSError) as error:
            self._counts.restore(hours)
            if not self._is_failing:
                _logger.warning("counts of what is served are not stored, for now: %s", error)
            self._is_failing = True
            return
        if self._is_failing:
            _logger.warning("counts of what is served are stored again")
        self._is_failing = False
