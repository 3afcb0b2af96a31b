"""The shop on a server in this process, with the models that come with Presage and rules for the shop's lists."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from presage_client import AsyncClient, ClientOptions
from presage_console.shop.playground import PLACEMENTS
from presage_server.settings import shipped_models
from support.running_server import Served, serving


@pytest.fixture
async def shop_server(store, tmp_path) -> AsyncIterator[Served]:
    """A server with the shop's placement."""
    placements = tmp_path / "placements.toml"
    placements.write_text(PLACEMENTS)
    async with serving(redis_url=store.url, models=shipped_models(), placements=placements) as server:
        yield server


@pytest.fixture
async def presage(shop_server) -> AsyncIterator[AsyncClient]:
    """A client of it."""
    async with AsyncClient(shop_server.address, options=ClientOptions(timeout_ms=20_000)) as client:
        yield client
