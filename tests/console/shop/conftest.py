"""The shop on a server with the models that come with Presage, and rules for the shop's lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from presage_client import AsyncClient, ClientOptions
from presage_console.shop.playground import PLACEMENTS
from presage_server.settings import shipped_models
from support.running_server import server_process


@pytest.fixture(scope="session")
def shop_address(tmp_path_factory) -> Iterator[str]:
    """One server for all tests of the group ``shop``: each has visitors of its own."""
    folder = tmp_path_factory.mktemp("shop")
    placements = folder / "placements.toml"
    placements.write_text(PLACEMENTS)
    flags = ("--data-dir", str(folder / "data"), "--models", str(shipped_models()), "--placements", str(placements))
    counting = ("--follow-items", "--item-bucket-seconds", "1")
    with server_process(folder / "log", *flags, *counting, "--timeout-ms", "20000") as server:
        yield server.address


@pytest.fixture
async def presage(shop_address) -> AsyncIterator[AsyncClient]:
    """A client of it."""
    async with AsyncClient(shop_address, options=ClientOptions(timeout_ms=20_000)) as client:
        yield client
