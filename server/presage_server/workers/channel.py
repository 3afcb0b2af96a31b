"""What a supervisor and a worker tell each other: JSON objects, one a line, over a pair of sockets.

The worker gets ``settings`` and ``worker`` (its number) first and ``command`` (drain, end or metrics) later. It tells that it is
``ready`` (HOST:PORT) or has ``failed`` (why), and its ``metrics`` when asked. If either side dies, the other one reads the end.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from presage_server.settings import Settings

__all__ = ["Channel", "settings_from_json", "settings_to_json"]

_MAX_LINE_BYTES = 16 << 20


class Channel:
    """One side of it; ``Channel.open`` makes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """Take over one of the two sockets."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_MAX_LINE_BYTES))

    def send(self, **message: Any) -> None:
        """Send a message; it is lost if the other side is gone."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def read(self) -> dict[str, Any]:
        """Read the next message; an empty one says that the other side is gone."""
        try:
            line = await self._reader.readline()
        except OSError:
            return {}
        return dict(json.loads(line)) if line.endswith(b"\n") else {}

    async def close(self) -> None:
        """Send what is not sent yet, and close this side."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Make what JSON can hold of settings."""
    default = Settings()
    return {
        name: value if isinstance(value, bool | int | float) else str(value)
        for name, value in asdict(settings).items()
        if value != getattr(default, name)
    }


def settings_from_json(fields: dict[str, Any]) -> Settings:
    """Make settings of that again."""
    default = Settings()
    return Settings(**{name: type(getattr(default, name))(value) for name, value in fields.items()})
