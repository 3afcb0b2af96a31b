"""Finds the server that a connection should go to, each time one is made: for stores whose servers change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry
from redis.sentinel import Sentinel

from presage_server.store.urls import StoreUrl

__all__ = ["ASK_SECONDS", "Find", "Place", "SentinelFinder", "single_client"]

ASK_SECONDS = 1.0
"""How long a server may take to say where the data is; then the next one is asked."""

Place = tuple[str, int]
"""A server's host and port."""

Find = Callable[[], Place]
"""Returns where to connect to, at this moment; may take seconds, and raises OSError or RedisError."""


class SentinelFinder:
    """Asks Sentinels for the primary.

    Args:
        found: The URL.
    """

    def __init__(self, found: StoreUrl) -> None:
        self._name = found.name
        self._asking = threading.Lock()
        make: Any = Sentinel  # it has no types
        self._sentinel = make([])
        self._sentinel.sentinels = [single_client(url) for url in found.asked]

    def __call__(self) -> Place:
        """Return where the primary is; raises MasterNotFoundError while there is none."""
        with self._asking:  # it puts those that answer first, which is not made for threads
            host, port = self._sentinel.discover_master(self._name)
        return host, port


def single_client(url: str, place: Place | None = None) -> Redis:
    """Return a client of one server of a URL, or of another place with the same credentials, that answers soon or not at all."""
    pool: Any = ConnectionPool.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),  # the next one is asked instead
        socket_timeout=ASK_SECONDS,
        socket_connect_timeout=ASK_SECONDS,
        decode_responses=True,
        client_name="presage-find",
    )
    if place is not None:
        pool.connection_kwargs["host"], pool.connection_kwargs["port"] = place
    return Redis(connection_pool=pool)
