"""The grpc.aio server behind a transport, on a unix socket: it serves whatever is not delivered as calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import grpc

from presage_server.transport.interface import stop_grpcio

__all__ = ["Fallback"]


class Fallback:
    """Starts and stops a grpc.aio server on a socket in a folder of its own.

    Args:
        server: Not started yet.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> str:
        """Begin to serve; return the socket's path."""
        self._folder = tempfile.TemporaryDirectory(prefix="presage-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / "fallback.sock"
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()
        return str(path)

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and end the others."""
        await stop_grpcio(self._server, grace_seconds)

    def close(self) -> None:
        """Remove the socket."""
        if self._folder is not None:
            self._folder.cleanup()
