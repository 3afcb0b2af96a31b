"""Consoles in this process: for requests without a browser, or on a port for browsers."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from presage_console.app import create_app
from presage_console.console import Console, open_console
from presage_console.serving import ConsoleServer, address_of, listen
from presage_console.settings import ConsoleSettings
from support.running_server import GENEROUS_SECONDS

__all__ = ["NOWHERE", "OWN_TOKEN", "ConsoleUnderTest", "RunningConsole", "console_of", "running_console", "text_of"]

NOWHERE = "127.0.0.1:1"
"""A server that is not there, for what needs none."""
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
        cookies = self.client.cookies
        session = self.console.sessions.find(
            cookies.get("presage_console", "") or cookies.get("__Host-presage_console", "")
        )
        csrf = {"csrf": session.csrf} if session else {}
        return await self.client.post(path, data=csrf | form, **kwargs)

    async def sign_in(self, token: str = OWN_TOKEN, name: str = "Ada") -> httpx.Response:
        """Sign in as the page's form does."""
        return await self.post("/sign-in", {"token": token, "name": name, "next": "/"})


@asynccontextmanager
async def console_of(
    address: str, *, routes: Sequence[BaseRoute] = (), url: str = "http://127.0.0.1:8050", **settings: Any
) -> AsyncIterator[ConsoleUnderTest]:
    """Make a console of a server; ``settings`` are those of ConsoleSettings, and ``now`` of ``open_console``.

    ``routes`` are a test's own, beside those of the console.
    """
    given = {name: settings.pop(name) for name in ("now",) if name in settings}
    console = open_console(ConsoleSettings(server=address, **settings), own_token=OWN_TOKEN, **given)
    app = create_app(console)
    app.router.routes[:0] = routes
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as client:
            yield ConsoleUnderTest(console, client)
    finally:
        await console.server.close()


@dataclass(frozen=True, slots=True)
class RunningConsole:
    """A console that serves on a port, in a thread of its own."""

    url: str
    """Without a slash at the end."""
    console: Console
    app: Starlette


@contextmanager
def running_console(server: str, *, routes: Sequence[BaseRoute] = (), **settings: Any) -> Iterator[RunningConsole]:
    """Serve a console on a free port; ``settings`` are those of ConsoleSettings, and ``now`` of ``open_console``.

    ``routes`` are a test's own, beside those of the console.
    """
    given = {name: settings.pop(name) for name in ("now",) if name in settings}
    ours = ConsoleSettings(server=server, port=0, **settings)
    begun: Queue[tuple[Console, ConsoleServer, asyncio.AbstractEventLoop]] = Queue()

    async def run() -> None:
        console = open_console(ours, own_token=OWN_TOKEN, **given)
        serving = ConsoleServer(console)
        serving.app.router.routes[:0] = routes
        begun.put((console, serving, asyncio.get_running_loop()))
        await serving.serve(sockets=[listening])

    with listen(ours) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        console, serving, loop = begun.get(timeout=GENEROUS_SECONDS)
        try:
            yield RunningConsole(address_of(ours, listening).rstrip("/"), console, serving.app)
        finally:
            loop.call_soon_threadsafe(serving.stop)
            thread.join(GENEROUS_SECONDS)


def text_of(page: str) -> str:
    """Return what a page says, without its tags and with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())
