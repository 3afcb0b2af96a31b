"""Whether calls should be sent to a server, for load balancers: the health service ``presage.ready``, and ``/ready``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from grpc_health.v1 import health, health_pb2
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from presage_server.settings import Settings
from presage_server.telemetry.metrics import Metrics

__all__ = ["READY", "Readiness", "followed_readiness", "probe_store"]

_logger = logging.getLogger(__name__)

READY = "presage.ready"
"""What the health service calls it."""

_EVERY_SECONDS = 1.0
_FAILURES = 2
_REPLICA = "slave"


class Readiness:
    """Follows whether a server is ready: it serves, does not drain, and its store answers if that is asked for.

    Args:
        health_servicer: Says so to load balancers.
        probe: Returns what is wrong with the store, empty if nothing is; None: ready whatever the store does.
    """

    def __init__(self, health_servicer: health.aio.HealthServicer, probe: Callable[[], Awaitable[str]] | None) -> None:
        self._health = health_servicer
        self._probe = probe
        self._failures = 0
        self._serves = False
        self.reason = "the server is starting"
        """Why it is not ready; empty if it is."""

    async def begin(self) -> None:
        """Note that calls are answered."""
        self._serves = True
        await self._set("" if self._probe is None else await self._probe())

    async def drain(self) -> None:
        """Note that the server is about to end."""
        self._serves = False
        await self._set("the server is draining")

    async def run(self) -> None:
        """Look at the store every second until cancelled: two failures in a row count, and one success."""
        while self._probe is not None:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                reason = await self._probe()
            except Exception:  # else it would stay what it is now, whatever the store does
                reason = "the store could not be asked; see the server's log"
                _logger.exception("whether the store answers could not be found out; tried again")
            self._failures = self._failures + 1 if reason else 0
            if self._serves and (not reason or self._failures >= _FAILURES):
                await self._set(reason)

    async def _set(self, reason: str) -> None:
        self.reason = reason
        status = health_pb2.HealthCheckResponse.NOT_SERVING if reason else health_pb2.HealthCheckResponse.SERVING
        await self._health.set(READY, status)


@asynccontextmanager
async def followed_readiness(
    settings: Settings, metrics: Metrics, health_servicer: health.aio.HealthServicer, redis: Redis
) -> AsyncIterator[Readiness]:
    """Follow whether a server is ready for as long as the context lasts; it is not, until ``begin`` is called.

    Args:
        settings: Say whether that includes the store.
        metrics: Have the reason why it is not.
        health_servicer: Says so to load balancers.
        redis: The store.
    """
    probe = partial(probe_store, redis, settings.store_timeout_ms / 1e3) if settings.ready_needs_store else None
    readiness = Readiness(health_servicer, probe)
    metrics.unready = lambda: readiness.reason
    following = asyncio.create_task(readiness.run())
    try:
        yield readiness
    finally:
        following.cancel()


async def probe_store(redis: Redis, timeout_seconds: float) -> str:
    """Return why a store cannot be used now; empty if it can. It is asked on a separate connection, with or without traffic."""
    try:
        async with asyncio.timeout(timeout_seconds):
            role = (await redis.execute_command("ROLE"))[0]  # type: ignore[no-untyped-call]
    except TimeoutError:
        return f"the store has not answered within {timeout_seconds:g} s"
    except NoPermissionError:  # it answers, and may not say more
        return ""
    except (RedisError, OSError) as error:
        if isinstance(error, ResponseError) and str(error).lower().startswith("unknown command"):
            return ""
        return f"the store does not answer: {error}"
    if role not in {_REPLICA, _REPLICA.encode()}:
        return ""
    await redis.connection_pool.disconnect()  # so that the next look finds out who the primary is by now
    return "the store is a replica"
