"""A lease in the store: of several processes, one at a time works.

It only saves work: what it guards is right with two at once, too, as when one holds the lease and does not notice that it expired.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from redis import Redis

from presage_server.items.keys import LEASE

__all__ = ["Lease"]

_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lease:
    """One holder's view of the lease. Methods raise redis-py's errors.

    Args:
        redis: A client.
        holder: A unique name.
        seconds: How long it is held after it was last renewed.
    """

    def __init__(
        self, redis: Redis, *, holder: str, seconds: float = 5.0, clock: Callable[[], float] = monotonic
    ) -> None:
        self._redis: Any = redis
        self._holder = holder
        self._millis = round(seconds * 1_000)
        self._renew_seconds = seconds / 5
        self._clock = clock
        self._renewed_at = 0.0
        self.held = False
        """Whether it was held when last looked at."""

    def hold(self) -> bool:
        """Take the lease, or renew it from time to time; return whether it is held."""
        now = self._clock()
        if self.held and now - self._renewed_at < self._renew_seconds:
            return True
        renewed = self._redis.eval(_RENEW, 1, LEASE, self._holder, self._millis)
        self.held = bool(renewed or self._redis.set(LEASE, self._holder, nx=True, px=self._millis))
        self._renewed_at = now
        return self.held

    def release(self) -> None:
        """Let another process have it at once."""
        if self.held:
            self._redis.eval(_RELEASE, 1, LEASE, self._holder)
            self.held = False
