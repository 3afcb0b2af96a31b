"""Reads what ``programs/load.cc`` keeps of each call with ``--replies``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Reply", "read_replies"]

_RECORD = struct.Struct("<qqii")
_FRAME_BYTES = 5
"""What gRPC puts before a message."""


class Reply(NamedTuple):
    """What became of one call. Times are of ``time.monotonic_ns``, on Linux."""

    due_ns: int
    ended_ns: int
    status: int
    message: bytes


def read_replies(file: Path) -> Iterator[Reply]:
    """Read the calls in the order in which they ended."""
    kept = file.read_bytes()
    at = 0
    while at < len(kept):
        due_ns, ended_ns, status, length = _RECORD.unpack_from(kept, at)
        at += _RECORD.size
        yield Reply(due_ns, ended_ns, status, kept[at + _FRAME_BYTES : at + length])
        at += length
