"""The messages between a supervisor and a worker: JSON objects, one per line, over a socket pair.

The supervisor first sends ``settings``, ``project`` (the texts of its features), ``plan`` (the versions of models to serve),
``access`` (the tokens, and where their rates are kept) and ``worker`` (its number), later ``command`` (drain, end, metrics, ping,
prepare, commit or abandon). The worker sends ``ready`` (HOST:PORT) or ``failed`` (the reason), ``metrics`` on request, with
``unready`` (why no calls should come), ``alive`` for each ping, and a ``reply`` with the ``number`` of each prepare and commit,
with a ``problem`` if it failed. If one side dies, the other reads the end of the stream.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from presage_featurizer.custom import CustomFeatures
from presage_server.settings import Settings

__all__ = ["Channel", "custom_from_json", "custom_to_json", "settings_from_json", "settings_to_json"]

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Settings)}
_MAX_LINE_BYTES = 16 << 20


class Channel:
    """One side of the connection; ``Channel.open`` makes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        """Make a channel of one of the two sockets, and own it."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_MAX_LINE_BYTES))

    def send(self, **message: Any) -> None:
        """Send a message; it is lost if the other side is gone."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def read(self) -> dict[str, Any]:
        """Read the next message; an empty one means that the other side is gone."""
        try:
            line = await self._reader.readline()
        except OSError:
            return {}
        return dict(json.loads(line)) if line.endswith(b"\n") else {}

    async def close(self) -> None:
        """Send what is still buffered, and close this side."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Return the settings that differ from their defaults, as values that JSON can hold."""
    values = {field.name: getattr(settings, field.name) for field in fields(Settings)}
    changed = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
    return {name: str(value) if isinstance(value, Path) else value for name, value in changed.items()}


def settings_from_json(values: dict[str, Any]) -> Settings:
    """Make the settings that ``settings_to_json`` was given."""
    return Settings(**{name: type(_DEFAULTS[name])(value) for name, value in values.items()})


def custom_to_json(custom: CustomFeatures | None) -> list[str] | None:
    """Return the two texts of a project's features; None without a project."""
    return None if custom is None else [custom.declaration, custom.source]


def custom_from_json(texts: list[str] | None) -> CustomFeatures | None:
    """Make the features that ``custom_to_json`` was given."""
    return None if texts is None else CustomFeatures.parse(*texts)
