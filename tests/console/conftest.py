"""A console of a server in this process, for tests without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.consoles import NOWHERE, ConsoleUnderTest, console_of


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
