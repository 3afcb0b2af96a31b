"""The connection to the server that is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from presage_client import AsyncClient, ClientOptions, tls_credentials
from presage_console.settings import ConsoleSettings

__all__ = ["DEFAULT_SERVER", "ServerReader"]

DEFAULT_SERVER = "127.0.0.1:50051"
_TIMEOUT_MS = 2_000
"""A page may wait longer than a shop's backend."""


class ServerReader:
    """Calls the server, with the console's token or with that of a signed-in operator.

    Args:
        target: The server, HOST:PORT.
        settings: Those of the console: its token, and TLS.

    Raises:
        ValueError: The target or a file of TLS is not valid.
    """

    def __init__(self, target: str, settings: ConsoleSettings) -> None:
        self.target = target
        """Where the server is."""
        self._settings = settings
        self._credentials = (
            tls_credentials(
                settings.server_tls_ca or None,
                cert_file=settings.server_tls_cert or None,
                key_file=settings.server_tls_key or None,
            )
            if settings.server_tls_ca or settings.server_tls_cert
            else None
        )
        self.client = self._open(self._own_token if settings.server_token_file else "")
        """The client of all pages. What it raises, a page that does not catch it shows as an error."""

    @asynccontextmanager
    async def with_token(self, token: str) -> AsyncIterator[AsyncClient]:
        """Open a client that calls with another token; an empty one sends none."""
        async with self._open(token) as client:
            yield client

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    def _open(self, token: str | Callable[[], str]) -> AsyncClient:
        options = ClientOptions(timeout_ms=_TIMEOUT_MS, credentials=self._credentials, token=token)
        return AsyncClient(self.target, options=options)

    def _own_token(self) -> str:
        return Path(self._settings.server_token_file).read_text().strip()
