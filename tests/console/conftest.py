"""A console of a server in this process, for tests without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.consoles import ConsoleUnderTest, console_of


@pytest.fixture
async def pages(served) -> AsyncIterator[ConsoleUnderTest]:
    """A console of ``served``, where nobody is signed in."""
    async with console_of(served.address) as console:
        yield console
