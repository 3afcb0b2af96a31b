"""A console of a server in this process, for tests without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from presage_console.shop.playground import PLACEMENTS
from presage_server.settings import shipped_models
from support.consoles import NOWHERE, ConsoleUnderTest, console_of
from support.running_server import server_process


@pytest.fixture
async def pages(served) -> AsyncIterator[ConsoleUnderTest]:
    """A console of ``served``, where nobody is signed in."""
    async with console_of(served.address) as console:
        yield console


@pytest.fixture
async def offline() -> AsyncIterator[ConsoleUnderTest]:
    """A console whose server is not there."""
    async with console_of(NOWHERE) as console:
        yield console


@pytest.fixture(scope="session")
def shop_address(tmp_path_factory) -> Iterator[str]:
    """A server with the models that come with Presage and rules for the shop's lists; one for all tests of the group ``shop``."""
    folder = tmp_path_factory.mktemp("shop")
    placements = folder / "placements.toml"
    placements.write_text(PLACEMENTS)
    flags = ("--data-dir", str(folder / "data"), "--models", str(shipped_models()), "--placements", str(placements))
    counting = ("--follow-items", "--item-bucket-seconds", "1")
    with server_process(folder / "log", *flags, *counting, "--timeout-ms", "20000") as server:
        yield server.address
