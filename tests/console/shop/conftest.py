"""A client of the shop's server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from presage_client import AsyncClient, ClientOptions


@pytest.fixture
async def presage(shop_address) -> AsyncIterator[AsyncClient]:
    """A client of it."""
    async with AsyncClient(shop_address, options=ClientOptions(timeout_ms=20_000)) as client:
        yield client
