"""A client that speaks HTTP/2 frame by frame, so that a test can send what no proper client would."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from support.hpack import Headers, decode_headers, encode_headers
from support.running_server import GENEROUS_SECONDS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM, CANCEL = 7, 8

_ENOUGH_BYTES = 32 << 10
"""Half of the window that a connection has at first."""
_HEADER_TABLE_SIZE, _ENABLE_PUSH, INITIAL_WINDOW_SIZE = 1, 2, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values: int) -> bytes:
    """Write a client's settings, of which ``window`` is the window of each stream in bytes; the server shall keep no table."""
    pairs = {_HEADER_TABLE_SIZE: 0, _ENABLE_PUSH: 0}
    if "window" in values:
        pairs[INITIAL_WINDOW_SIZE] = values["window"]
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs.items()))


def message(body: bytes, *, compressed: int = 0, length_bytes: int | None = None) -> bytes:
    """Write a gRPC message, with a length that is its own unless told otherwise."""
    return struct.pack(">BI", compressed, len(body) if length_bytes is None else length_bytes) + body


def request_headers(path: str, *, without: Iterable[str] = (), **changed: str) -> list[tuple[str, str]]:
    """Make the headers of a gRPC call, with fields left out or changed; ``_`` in a name stands for ``-``, or for ``:`` in front."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "test",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    for name, value in changed.items():
        fields[(":" + name[1:] if name.startswith("_") else name).replace("_", "-")] = value
    return [(name, value) for name, value in fields.items() if name not in without]


def head(stream: int, path: str, *, flags: int = END_HEADERS, without: Iterable[str] = (), **changed: str) -> bytes:
    """Write the frame of a call's headers; see ``request_headers``."""
    return frame(HEADERS, flags, stream, encode_headers(request_headers(path, without=without, **changed)))


def call(stream: int, path: str, body: bytes = b"", *, without: Iterable[str] = (), **changed: str) -> bytes:
    """Write the frames of a whole unary call."""
    return head(stream, path, without=without, **changed) + frame(DATA, END_STREAM, stream, message(body))


@dataclass
class Answer:
    """What came back on one stream."""

    headers: Headers = field(default_factory=list)
    """Headers and trailers."""
    body: bytearray = field(default_factory=bytearray)
    reset: int | None = None
    """The error code of the first RST_STREAM."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str:
        """``grpc N``, ``http N`` of an error without a gRPC status, ``reset N``, or nothing."""
        found = dict(self.headers)
        if "grpc-status" in found:
            return f"grpc {found['grpc-status']}"
        if found.get(":status", "200") != "200":
            return f"http {found[':status']}"
        return "" if self.reset is None else f"reset {self.reset}"


class RawConnection(asyncio.Protocol):
    """One connection, whose answers are taken as they come. Use ``raw_connection``, which closes it."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        """The error code of a GOAWAY."""
        self.closed = asyncio.Event()
        """Set when the connection has ended."""
        self._transport: asyncio.Transport
        self._unread = bytearray()
        self._taken_bytes = 0
        self._pings: dict[bytes, asyncio.Event] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to; asyncio's."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take whole frames; asyncio's."""
        # No stream reader: that forgets what it has not handed out yet when the connection is reset.
        self._unread += data
        at = 0
        while len(self._unread) >= at + 9:
            head = self._unread[at : at + 9]
            end = at + 9 + int.from_bytes(head[:3], "big")
            if len(self._unread) < end:
                break
            self._take(head[3], head[4], int.from_bytes(head[5:], "big"), bytes(self._unread[at + 9 : end]))
            at = end
        del self._unread[:at]

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end; asyncio's."""
        self.closed.set()

    def read_nothing(self) -> None:
        """Leave what comes in the system's buffers."""
        self._transport.pause_reading()

    def send(self, data: bytes) -> None:
        """Write bytes; a server that has closed is no error."""
        if not self.closed.is_set():
            self._transport.write(data)

    def answer(self, stream: int) -> Answer:
        """Return what has come on a stream so far, and what is to come."""
        return self.answers.setdefault(stream, Answer())

    async def answered(self, stream: int) -> Answer:
        """Wait until a stream has ended, on the wire or with its connection."""
        answer = self.answer(stream)
        await self.first(answer.ended, self.closed)
        return answer

    async def ping(self) -> None:
        """Wait until the server has read all that was sent so far, or has closed."""
        mark = len(self._pings).to_bytes(8, "big")
        self._pings[mark] = asyncio.Event()
        self.send(frame(PING, payload=mark))
        await self.first(self._pings[mark], self.closed)

    @staticmethod
    async def first(*events: asyncio.Event) -> None:
        """Wait for one of several things."""
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            async with asyncio.timeout(GENEROUS_SECONDS):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Close, without waiting for the server."""
        self._transport.abort()
        await self.closed.wait()

    def _give_window(self, taken_bytes: int) -> None:
        # Seldom: asyncio gives up a connection that it cannot write to, with the last answers unread.
        self._taken_bytes += taken_bytes
        if self._taken_bytes >= _ENOUGH_BYTES:
            self.send(frame(WINDOW_UPDATE, payload=struct.pack(">I", self._taken_bytes)))
            self._taken_bytes = 0

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and flags & ACK:
            self._pings[payload].set()
        elif kind == PING:
            self.send(frame(PING, ACK, payload=payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == RST_STREAM:
            answer = self.answer(stream)
            if answer.reset is None:
                answer.reset = int.from_bytes(payload, "big")
            answer.ended.set()
        elif kind in {HEADERS, DATA}:
            answer = self.answer(stream)
            if kind == HEADERS:
                assert flags & END_HEADERS, "an answer's headers are short"
                answer.headers += decode_headers(payload)
            else:
                answer.body += payload
                self._give_window(len(payload))
            if flags & END_STREAM:
                answer.ended.set()


@asynccontextmanager
async def raw_connection(
    address: str, *, opening: bytes = PREFACE + settings(), reads: bool = True
) -> AsyncIterator[RawConnection]:
    """Connect and send an opening.

    Args:
        address: HOST:PORT.
        opening: The preface and settings, unless told otherwise.
        reads: Whether to read what comes; otherwise it stays in the system's buffers until they are full.
    """
    host, _, port = address.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(RawConnection, host, int(port))
    if not reads:
        connection.read_nothing()
    connection.send(opening)
    try:
        yield connection
    finally:
        await connection.close()
