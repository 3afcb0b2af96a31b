"""Stored states that no release writes."""

from __future__ import annotations

from zlib import crc32

import msgspec

from presage_server.store.snapshot import REVISION_BYTES

_HEADER_BYTES = REVISION_BYTES + 5
"""Revision, checksum and version."""


def nested(blob: bytes, depth: int) -> bytes:
    """Append a value of so many arrays in each other to a state, with a checksum that holds: decoding it raises RecursionError."""
    fields = msgspec.msgpack.decode(blob[_HEADER_BYTES:])
    array = b"\xdc" + (len(fields) + 1).to_bytes(2, "big")  # msgpack's array 16
    deep = b"\x91" * depth + b"\x90"
    rest = blob[_HEADER_BYTES - 1 : _HEADER_BYTES] + array + b"".join(map(msgspec.msgpack.encode, fields)) + deep
    return blob[:REVISION_BYTES] + crc32(rest).to_bytes(4, "big") + rest
