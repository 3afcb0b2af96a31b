"""Runs the application on a port until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

import uvicorn

from presage_console.app import create_app
from presage_console.console import Console, open_console
from presage_console.settings import ConsoleSettings

__all__ = ["ConsoleServer", "listen", "serve"]

_LAST_SECONDS = 5
"""How long requests in flight may take once it stops."""
_MOST_CONNECTIONS = 500
"""Further ones are answered with 503: a process has some 1,000 files, and without one it can read nothing."""


class ConsoleServer(uvicorn.Server):
    """Ends what is pushed when it stops; it would wait for those connections otherwise."""

    def __init__(self, console: Console) -> None:
        settings = console.settings
        self.app = create_app(console)
        """What it serves."""
        super().__init__(
            uvicorn.Config(
                self.app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                ws="none",
                limit_concurrency=_MOST_CONNECTIONS,
                ssl_certfile=settings.tls_cert or None,
                ssl_keyfile=settings.tls_key or None,
                timeout_graceful_shutdown=_LAST_SECONDS,
            )
        )
        self._console = console

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, which then is no failure; uvicorn's own way raises them again."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Stop; a second time, without waiting for requests in flight."""
        self._console.hub.stop()
        self.handle_exit(signal.SIGINT, None)


async def serve(settings: ConsoleSettings, announce: Callable[[str, str], None]) -> None:
    """Serve until a signal comes.

    Args:
        settings: The settings.
        announce: Called with the address to open, of the shop or the home page, and the own token, once browsers can connect.

    Raises:
        SettingsError: What the settings name cannot be used.
        OSError: The port is in use, or a file cannot be read.
    """
    console = open_console(settings)
    with listen(settings) as listening:
        first_page = "shop" if settings.shop else ""
        announce(address_of(settings, listening) + first_page, console.own_token)
        await ConsoleServer(console).serve(sockets=[listening])


def listen(settings: ConsoleSettings) -> socket.socket:
    """Bind the port: from then on, browsers wait instead of failing.

    Raises:
        OSError: It is in use.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=128)


def address_of(settings: ConsoleSettings, listening: socket.socket) -> str:
    """Return the address of the home page."""
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_cert else 'http'}://{name}:{listening.getsockname()[1]}/"
