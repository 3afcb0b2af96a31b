"""Commands and error replies of the Redis protocol, RESP2."""

from __future__ import annotations

from typing import Any

from hiredis import ReplyError, pack_command

__all__ = ["ReplyError", "encode"]

_pack: Any = pack_command  # its stub knows commands of one word only


def encode(*arguments: bytes | str | int) -> bytes:
    """Encode a command."""
    encoded: bytes = _pack(arguments)
    return encoded
