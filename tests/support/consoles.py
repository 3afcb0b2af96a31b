"""Consoles in this process, and requests to them without a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from presage_console.app import create_app
from presage_console.console import Console, open_console
from presage_console.settings import ConsoleSettings

__all__ = ["OWN_TOKEN", "ConsoleUnderTest", "console_of", "text_of"]

OWN_TOKEN = "the-token-that-the-console-printed"


@dataclass(frozen=True, slots=True)
class ConsoleUnderTest:
    """A console, and a client that keeps its cookies."""

    console: Console
    client: httpx.AsyncClient

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        """Ask for a page."""
        return await self.client.get(path, **kwargs)

    async def post(self, path: str, form: dict[str, str], **kwargs: Any) -> httpx.Response:
        """Send a form; where somebody is signed in, with the session's csrf field, unless the form has one."""
        session = self.console.sessions.find(self.client.cookies.get("presage_console", ""))
        csrf = {"csrf": session.csrf} if session else {}
        return await self.client.post(path, data=csrf | form, **kwargs)

    async def sign_in(self, token: str = OWN_TOKEN, name: str = "Ada") -> httpx.Response:
        """Sign in as the page's form does."""
        return await self.post("/sign-in", {"token": token, "name": name, "next": "/"})


@asynccontextmanager
async def console_of(address: str, **settings: Any) -> AsyncIterator[ConsoleUnderTest]:
    """Make a console of a server; ``settings`` are those of ConsoleSettings. ``now`` and ``own_token`` go to ``open_console``."""
    given = {name: settings.pop(name) for name in ("now",) if name in settings}
    console = open_console(ConsoleSettings(server=address, **settings), own_token=OWN_TOKEN, **given)
    transport = httpx.ASGITransport(create_app(console))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8050") as client:
            yield ConsoleUnderTest(console, client)
    finally:
        await console.server.close()


def text_of(page: str) -> str:
    """Return what a page says, without its tags and with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())
