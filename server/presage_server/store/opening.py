"""The store of a running server: connected to, or started with it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from redis.asyncio import Redis

from presage_server.errors import StoreStartError
from presage_server.settings import Settings
from presage_server.store.checking import check_store, connect
from presage_server.store.connecting import Connector
from presage_server.store.durability import check_durability
from presage_server.store.embedded import embedded_store
from presage_server.store.link import Link
from presage_server.store.resp import ReplyError

__all__ = ["open_store"]

_logger = logging.getLogger(__name__)

_STORE_SECONDS = 10.0


async def open_store(settings: Settings, stack: AsyncExitStack) -> tuple[Link, Redis, str]:
    """Connect; return what calls share, a client for what is rare, and the store's URL."""
    url = settings.redis_url or await stack.enter_async_context(
        embedded_store(settings.data_dir, fsync=settings.store_fsync)
    )
    redis, address = connect(url)
    stack.push_async_callback(redis.aclose, close_connection_pool=True)
    link = Link(Connector(address), timeout_seconds=settings.store_timeout_ms / 1e3)
    stack.callback(link.close)
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            kind = await check_store(redis)
            if settings.redis_url:
                await check_durability(redis, settings.store_fsync)
            await asyncio.to_thread(link.open, _STORE_SECONDS)
    except TimeoutError as error:
        raise StoreStartError(f"redis_url: the store does not answer within {_STORE_SECONDS:g} s") from error
    except (OSError, ValueError, ReplyError) as error:
        raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
    if settings.redis_url:
        _logger.info("store: %s", kind)
    else:
        _logger.info("store: embedded %s at %s, data in %s", kind, url, settings.data_dir)
    return link, redis, url
