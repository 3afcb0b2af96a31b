"""The store of a running server: connected to, or started with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from presage_server.errors import StoreStartError
from presage_server.settings import Settings
from presage_server.store.checking import check_cluster, check_store, connect
from presage_server.store.clients import StoreClients
from presage_server.store.cluster.cluster_link import ClusterLink
from presage_server.store.cluster.cluster_store import ClusterStore
from presage_server.store.cluster.losses import ClusterLossWatch
from presage_server.store.cluster.slot_map import SlotMap, slot_of
from presage_server.store.connecting import Connector
from presage_server.store.durability import check_durability
from presage_server.store.embedded import embedded_store
from presage_server.store.finding import Place, SentinelFinder
from presage_server.store.found_connections import follow_async
from presage_server.store.link import Link
from presage_server.store.redis_store import RedisStore
from presage_server.store.resp import ReplyError
from presage_server.store.url_errors import check_url, describe_url_error
from presage_server.store.urls import StoreKind, StoreUrl
from presage_server.store.written import LossWatch, WrittenEntries

__all__ = ["OpenStore", "open_store"]

_logger = logging.getLogger(__name__)

_STORE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStore:
    """A store that is connected to."""

    url: str
    link: Link | ClusterLink
    """What calls share."""
    of_key: Callable[[str], Redis]
    """Returns a client for what is rare: of the server that has a key, and all others with its tag."""
    make: Callable[..., RedisStore]
    """Makes what calls do with it, from the arguments of ``RedisStore``."""
    watch_losses: Callable[[WrittenEntries], LossWatch]
    """Makes the watch for lost writes."""


async def open_store(settings: Settings, stack: AsyncExitStack) -> OpenStore:
    """Connect, or start an embedded store; it is closed with the stack.

    Raises:
        StoreStartError: The URL cannot be understood, or the store cannot be used.
    """
    url = settings.redis_url or await stack.enter_async_context(
        embedded_store(settings.data_dir, fsync=settings.store_fsync)
    )
    try:
        check_url(url)
        found = StoreUrl.parse(url)
    except ValueError as error:
        # Not chained: a traceback would show the error's own text.
        raise StoreStartError(f"redis_url: cannot be understood: {describe_url_error(url, error)}") from None
    open_kind = _open_cluster if found.kind is StoreKind.CLUSTER else _open_one
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            opened, kind = await open_kind(url, found, settings, stack)
    except TimeoutError as error:
        raise StoreStartError(f"redis_url: the store does not answer within {_STORE_SECONDS:g} s") from error
    except (OSError, ValueError, ReplyError, RedisError) as error:
        raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
    if settings.redis_url:
        _logger.info("store: %s", kind)
    else:
        _logger.info("store: embedded %s at %s, data in %s", kind, url, settings.data_dir)
    return opened


async def _open_one(url: str, found: StoreUrl, settings: Settings, stack: AsyncExitStack) -> tuple[OpenStore, str]:
    """Connect to one server, or the one that Sentinels name."""
    redis, address = connect(found.url)
    stack.push_async_callback(redis.aclose, close_connection_pool=True)
    if found.kind is StoreKind.SENTINEL:
        find = SentinelFinder(found)
        redis, address = follow_async(redis, find), replace(address, find=find)
    link = Link(Connector(address), timeout_seconds=settings.store_timeout_ms / 1e3)
    stack.callback(link.close)
    kind = await check_store(redis)
    if settings.redis_url:
        await check_durability(redis, settings.store_fsync)
    await asyncio.to_thread(link.open, _STORE_SECONDS)
    if found.kind is StoreKind.SENTINEL:
        kind += f", the primary {found.name!r} of {len(found.asked)} Sentinels"

    def make(**arguments: Any) -> RedisStore:
        return RedisStore(link, **arguments)

    def watch_losses(written: WrittenEntries) -> LossWatch:
        return LossWatch(redis, link, written)

    return OpenStore(url=url, link=link, of_key=lambda _: redis, make=make, watch_losses=watch_losses), kind


def _same(place: Place) -> Place:
    return place


async def _open_cluster(url: str, found: StoreUrl, settings: Settings, stack: AsyncExitStack) -> tuple[OpenStore, str]:
    slots = SlotMap(found)
    _, address = connect(found.url)
    link = ClusterLink(slots, address, timeout_seconds=settings.store_timeout_ms / 1e3)
    stack.callback(link.close)
    await asyncio.to_thread(slots.refresh)
    kind = await asyncio.to_thread(check_cluster, slots)
    for place in slots.places:
        redis, _ = connect(found.url)
        async with follow_async(redis, partial(_same, place)):
            await check_durability(redis, settings.store_fsync)
    await asyncio.to_thread(link.open, _STORE_SECONDS)
    clients: dict[int, Redis] = {}

    def of_key(key: str) -> Redis:
        slot = slot_of(key)
        if slot not in clients:
            redis, _ = connect(found.url)
            stack.push_async_callback(redis.aclose, close_connection_pool=True)
            clients[slot] = follow_async(redis, slots.finder(slot))
        return clients[slot]

    def make(**arguments: Any) -> RedisStore:
        return ClusterStore(link, **arguments)

    def watch_losses(written: WrittenEntries) -> LossWatch:
        reading = StoreClients(found, client_name="presage", timeout_seconds=_STORE_SECONDS)
        stack.callback(reading.close)
        return ClusterLossWatch(reading, link, written)

    return OpenStore(url=url, link=link, of_key=of_key, make=make, watch_losses=watch_losses), kind
