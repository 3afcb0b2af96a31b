"""What is checked of a store before a server uses it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from presage_featurizer.event_log import PARTITIONS
from presage_server.errors import StoreStartError
from presage_server.store.address import Address
from presage_server.store.clients import is_of_cluster
from presage_server.store.cluster.slot_map import SlotMap
from presage_server.store.redis_store import COMMIT_SCRIPT
from presage_server.store.url_errors import check_url, describe_url_error

__all__ = ["check_cluster", "check_store", "connect"]

_logger = logging.getLogger(__name__)

_OLDEST = (6, 2)
_REDIS_PY = ">=8.1,<9"
"""The versions whose connections are understood; pyproject.toml has the same bounds."""


def connect(url: str) -> tuple[Redis, Address]:
    """Return a redis-py client for what is rare, and the address for the link that calls share.

    Raises:
        StoreStartError: The URL cannot be understood.
    """
    try:
        check_url(url)
        redis: Redis = Redis.from_url(
            url,
            protocol=2,  # the RESP3 handshake brings nothing that is used here
            retry=Retry(NoBackoff(), 1),
            socket_connect_timeout=5,
            socket_timeout=None,  # what redis-py does for one of its own may swallow a cancellation before Python 3.12
            client_name="presage",
        )
        return redis, Address.of(redis)
    except AttributeError as error:
        raise StoreStartError(
            f"redis_url: expected redis-py {_REDIS_PY}, got {installed('redis')}, which lacks what is used of it: {error}"
        ) from error
    except (ValueError, TypeError, OSError, RedisError) as error:
        # Not chained: a traceback would show the error's own text.
        raise StoreStartError(f"redis_url: cannot be understood: {describe_url_error(url, error)}") from None


async def check_store(redis: Redis) -> str:
    """Check that a server can serve, load the commit script, and return what the server is, such as ``Valkey 9.1.0``.

    Raises:
        StoreStartError: It cannot be reached, is too old, or holds only a part of the keys; the message says which.
    """
    try:
        info = await redis.info("server")
        version = _check_version(info)
        if is_of_cluster(info):
            nodes = int((await redis.cluster("INFO"))["cluster_size"])
            if nodes != 1:
                raise StoreStartError(
                    f"redis_url: expected a server that holds every key, got one of a cluster of {nodes}; write redis+cluster://"
                )
        await redis.script_load(COMMIT_SCRIPT)
        policy = await _eviction_policy(redis)
    except (RedisError, OSError) as error:
        raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
    _warn_of_eviction(policy)
    return version


def check_cluster(slots: SlotMap) -> str:
    """Check every server of a cluster that has slots, as ``check_store``; waits for them.

    Raises:
        StoreStartError: One cannot be reached or is too old, or no server has some of the slots.
    """
    if None in slots.partitions:
        missing = sum(place is None for place in slots.partitions)
        raise StoreStartError(
            f"redis_url: expected a cluster that covers all slots, got one without those of {missing} of {PARTITIONS} partitions"
        )
    versions = {}
    for place in slots.places:
        host, port = place
        redis: Any = slots.client(place)
        try:
            versions[place] = _check_version(redis.info("server"))
            redis.script_load(COMMIT_SCRIPT)
            try:
                policy = str(redis.config_get("maxmemory-policy").get("maxmemory-policy", ""))
            except ResponseError:  # CONFIG is not allowed
                policy = ""
        except (RedisError, OSError) as error:
            raise StoreStartError(f"redis_url: the cluster's server {host}:{port} cannot be used: {error}") from error
        _warn_of_eviction(policy)
    return f"{', '.join(sorted(set(versions.values())))}, a cluster of {len(versions)} servers that hold data"


def _check_version(info: Mapping[str, Any]) -> str:
    kind, number = ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", info["redis_version"])
    if tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) < _OLDEST:
        raise StoreStartError(f"redis_url: expected Redis 6.2 or newer, got {number}")
    return f"{kind} {number}"


def _warn_of_eviction(policy: str) -> None:
    if policy not in ("", "noeviction"):
        _logger.warning("the store's maxmemory-policy is %s: it may forget visitors; set it to noeviction", policy)


async def _eviction_policy(redis: Redis) -> str:
    try:
        return str((await redis.config_get("maxmemory-policy")).get("maxmemory-policy", ""))
    except RedisError:  # CONFIG is not allowed
        return ""
