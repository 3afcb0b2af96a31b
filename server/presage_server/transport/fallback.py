"""The grpc.aio server behind a transport, on a unix socket: it serves whatever is not delivered as calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import grpc

from presage_server.errors import SettingsError
from presage_server.transport.interface import stop_grpcio

__all__ = ["Fallback"]

_MAX_FOLDER_BYTES = 70
"""The path of a socket may have 107 bytes, on a Mac 103."""


class Fallback:
    """Starts and stops a grpc.aio server on a socket in a folder of its own.

    Args:
        server: Not started yet.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> str:
        """Begin to serve; return the path of the socket, which is in a folder that only this user can read.

        Raises:
            SettingsError: No socket can be made in the folder of temporary files.
        """
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="presage-", ignore_cleanup_errors=True)
            path = Path(self._folder.name) / "fallback.sock"
            self._server.add_insecure_port(f"unix:{path}")
        except (OSError, RuntimeError) as error:
            raise SettingsError(
                f"TMPDIR: expected a folder that can be written to, with a path of at most {_MAX_FOLDER_BYTES} bytes, got: {error}"
            ) from error
        await self._server.start()
        return str(path)

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and end the others."""
        await stop_grpcio(self._server, grace_seconds)

    def close(self) -> None:
        """Remove the socket."""
        if self._folder is not None:
            self._folder.cleanup()
