"""The items of a server that runs: its columns, and the process that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from presage_featurizer.ranking.items import ItemColumns
from presage_server.items.follower_process import follower_process
from presage_server.items.live_items import LiveItems
from presage_server.settings import Settings

__all__ = ["live_items"]

_MICROS = 1_000_000


@asynccontextmanager
async def live_items(
    url: str, settings: Settings, registry: CollectorRegistry, prepare: Callable[[ItemColumns], object]
) -> AsyncIterator[LiveItems]:
    """Load the items that the store has and follow them, for as long as the context lasts; ``registry`` gets their metrics.

    Args:
        url: The store's.
        settings: Of the server.
        registry: For the metrics.
        prepare: Called with the columns of each epoch before they are used, by another thread.

    Raises:
        StoreStartError: They cannot be loaded.
    """
    items = await asyncio.to_thread(LiveItems.open, url, settings.item_bucket_seconds * _MICROS, prepare)
    registry.register(items)
    try:
        async with follower_process(url, settings):
            yield items
    finally:
        registry.unregister(items)
        items.close()
