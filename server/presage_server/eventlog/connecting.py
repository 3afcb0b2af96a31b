"""Connections to a store for what reads its streams, or other keys, beside the serving thread."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from presage_server.errors import StoreStartError
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.store.clients import StoreClients, is_of_cluster
from presage_server.store.url_errors import check_url, describe_url_error
from presage_server.store.urls import StoreUrl

__all__ = ["connect", "connect_clients"]

_OLDEST = (6, 2)
_COUNTS_ENTRIES = (7, 0)


def connect_clients(url: str, *, client_name: str, timeout_seconds: float) -> tuple[StoreClients, bool]:
    """Connect to a store of any kind.

    Returns:
        Its clients, and whether the store counts the entries that a stream ever had.

    Raises:
        EventLogStoreError: The URL is not valid, or the store cannot be reached or is too old.
    """
    try:
        check_url(url)
        found = StoreUrl.parse(url)
        clients = StoreClients(found, client_name=client_name, timeout_seconds=timeout_seconds)
    except (ValueError, TypeError) as error:
        # Not chained: a traceback would show the error's own text.
        raise EventLogStoreError(f"redis_url: cannot be understood: {describe_url_error(url, error)}") from None
    try:
        infos: list[Any] = [redis.info("server") for redis in clients.of_servers()]
    except (RedisError, OSError) as error:
        clients.close()
        raise EventLogStoreError(f"redis_url: the store cannot be used: {error}") from error
    except StoreStartError as error:
        clients.close()
        raise EventLogStoreError(str(error)) from error
    if not clients.is_cluster and is_of_cluster(infos[0]) and _size(clients) != 1:
        clients.close()
        raise EventLogStoreError(
            "redis_url: expected a server that holds every key, got one of a cluster; write redis+cluster://"
        )
    oldest = min((info["redis_version"] for info in infos), key=_numbers)
    if _numbers(oldest) < _OLDEST:
        clients.close()
        raise EventLogStoreError(f"redis_url: expected Redis 6.2 or newer, got {oldest}")
    return clients, _numbers(oldest) >= _COUNTS_ENTRIES


def connect(url: str, *, client_name: str, timeout_seconds: float, key: str = "") -> tuple[Redis, bool]:
    """Connect to the server that has a key, and all others with its tag.

    Args:
        url: The store's.
        client_name: What the server's list of connections shows.
        timeout_seconds: How long it may take to answer.
        key: The key; only a store that is one server needs none.

    Returns:
        A client, and whether the store counts the entries that a stream ever had.

    Raises:
        EventLogStoreError: As ``connect_clients``; or the store is a cluster, and there is no key.
    """
    clients, counts_entries = connect_clients(url, client_name=client_name, timeout_seconds=timeout_seconds)
    if clients.is_cluster and not key:
        clients.close()
        raise EventLogStoreError(
            "redis_url: expected a store of one server, got a cluster, which this command cannot read"
        )
    return clients.of_key(key), counts_entries


def _size(clients: StoreClients) -> int:
    info: Any = clients.of_key("").cluster("INFO")
    return int(info["cluster_size"])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version).split(".")[:2])
