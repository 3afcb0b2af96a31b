"""Calls and frames that no proper client sends: each is answered or closed, and everybody else is served as before."""

from __future__ import annotations

import gzip

import pytest

from support.hpack import encode_headers
from support.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawConnection,
    call,
    frame,
    head,
    message,
    raw_connection,
    request_headers,
    settings,
)
from support.plain_service import ECHO, plain_server
from support.transport_differences import expected

LIMIT_BYTES = 64 << 10


def with_data(*pieces: bytes, end: int = END_STREAM, **changed: str) -> bytes:
    """Write a call whose data are pieces, each in a frame of its own."""
    frames = [head(1, ECHO, **changed), *(frame(DATA, 0, 1, piece) for piece in pieces[:-1])]
    return b"".join([*frames, frame(DATA, end, 1, pieces[-1])])


def with_field(name: str, value: str | bytes) -> bytes:
    block = encode_headers([*request_headers(ECHO), (name, value)])
    fits = block[: 16 << 10]
    rest = [block[at : at + (16 << 10)] for at in range(16 << 10, len(block), 16 << 10)]
    frames = [frame(HEADERS, 0 if rest else END_HEADERS, 1, fits)]
    frames += [
        frame(CONTINUATION, END_HEADERS if number == len(rest) - 1 else 0, 1, piece)
        for number, piece in enumerate(rest)
    ]
    return b"".join(frames) + frame(DATA, END_STREAM, 1, message(b""))


CALLS = {
    # What both take: neither looks at the content type, and a call's second message is nobody's.
    "another content type": ("grpc 0", call(1, ECHO, content_type="application/json")),
    "no content type": ("grpc 0", call(1, ECHO, without=["content-type"])),
    "gRPC-Web": ("grpc 0", call(1, ECHO, content_type="application/grpc-web+proto")),
    "protobuf said": ("grpc 0", call(1, ECHO, content_type="application/grpc+proto")),
    "two messages": ("grpc 0", with_data(message(b"one") + message(b"two"))),
    "a message byte by byte": ("grpc 0", with_data(*(bytes([byte]) for byte in message(b"slow")))),
    "metadata that is no ASCII": ("grpc 0", with_field("y-text", "é".encode())),
    "a frame of an unknown kind": ("grpc 0", frame(0x42, 0xFF, 0, b"abc") + call(1, ECHO)),
    "gzip": ("grpc 0", with_data(message(gzip.compress(b"small"), compressed=1), grpc_encoding="gzip")),
    # What both refuse.
    "compressed by nothing": ("grpc 13", with_data(message(b"x", compressed=1))),
    "compressed by identity": ("grpc 13", with_data(message(b"x", compressed=1), grpc_encoding="identity")),
    "gzip that is none": ("grpc 13", with_data(message(b"x", compressed=1), grpc_encoding="gzip")),
    "over the limit": (
        "grpc 8",
        with_data(*[message(bytes(LIMIT_BYTES + 1))[at : at + 9_000] for at in range(0, 66_000, 9_000)]),
    ),
    # What they tell apart: see the table.
    "PUT": ("", call(1, ECHO, _method="PUT")),
    "GET with a message": ("", call(1, ECHO, _method="GET")),
    "GET as browsers send it": (
        "",
        head(1, ECHO, flags=END_HEADERS | END_STREAM, without=["content-type", "te"], _method="GET"),
    ),
    "no te": ("", call(1, ECHO, without=["te"])),
    "another te": ("", call(1, ECHO, te="gzip")),
    "no path": ("", call(1, ECHO, without=[":path"])),
    "a path without a slash": ("", call(1, "echo")),
    "a name in capitals": ("", with_field("X-Text", "x")),
    "a field of HTTP/1": ("", with_field("connection", "close")),
    "headers alone": ("", head(1, ECHO, flags=END_HEADERS | END_STREAM)),
    "no message": ("", with_data(b"")),
    "half a length": ("", with_data(b"\0\0")),
    "half a message": ("", with_data(message(b"half", length_bytes=8))),
    "a byte behind the message": ("", with_data(message(b"x") + b"\0")),
    "flag 2": ("", with_data(message(b"x", compressed=2))),
    "an unknown encoding": ("", with_data(message(b"x", compressed=1), grpc_encoding="none-such")),
    "an unknown encoding, not used": ("", with_data(message(b"x"), grpc_encoding="none-such")),
    "a timeout that is none": ("", call(1, ECHO, grpc_timeout="soon")),
    "bytes that are no base64": ("", with_field("x-bytes-bin", "!!!")),
    "a length over the limit, and no more": ("", with_data(message(b"x", length_bytes=2**32 - 1), end=0)),
    "a length over the limit, and the end": ("", with_data(message(b"x", length_bytes=2**32 - 1))),
    "24 KiB of metadata": ("", with_field("x-text", "x" * (24 << 10))),
    "400 KiB of metadata": ("", with_field("x-text", "x" * (400 << 10))),
}

FRAMES = {
    "a frame over the limit": ("", with_data(message(bytes(17 << 10)))),
    "a frame over every limit": ("closed", head(1, ECHO) + b"\xff\xff\xff\0\0\0\0\0\1" + bytes(1 << 10)),
    "a continuation of nothing": ("closed", frame(CONTINUATION, END_HEADERS, 1)),
    "headers that are no HPACK": ("closed", frame(HEADERS, END_HEADERS, 1, b"\xff" * 7)),
    "a ping of another size": ("closed", frame(PING, payload=b"abc")),
    "settings of another size": ("closed", frame(SETTINGS, payload=b"abc")),
    "a window opened by nothing": ("closed", frame(WINDOW_UPDATE, payload=bytes(4))),
    "headers cut off by a call": ("closed", head(1, ECHO, flags=0) + call(3, ECHO)),
    "data of a stream that was never opened": ("", frame(DATA, END_STREAM, 1, b"x")),
    "a reset of a stream that was never opened": ("", frame(RST_STREAM, 0, 1, bytes(4))),
    "a stream with an even number": ("", call(2, ECHO)),
    "headers of stream 0": ("", head(0, ECHO)),
    "a push by the client": ("", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2")),
    "a window that overflows": ("", frame(WINDOW_UPDATE, payload=b"\x7f\xff\xff\xff")),
}

OPENINGS = {
    "HTTP/1": b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "zeros": bytes(1 << 10),
    "a preface with a fault": PREFACE[:-1] + b"x" + settings(),
}


async def served(connection: RawConnection, stream: int) -> bool:
    connection.send(call(stream, ECHO, b"after"))
    answer = await connection.answered(stream)
    return answer.status == "grpc 0" and bytes(answer.body) == message(b"after")


@pytest.fixture
async def limited(each_transport):
    async with plain_server(each_transport, max_message_bytes=LIMIT_BYTES) as service:
        yield service


@pytest.mark.parametrize("case", CALLS | FRAMES)
async def test_it_is_answered_or_closed_and_others_are_served(limited, each_transport, case):
    same, data = (CALLS | FRAMES)[case]
    outcome = expected(case, each_transport, otherwise=same)
    async with raw_connection(limited.address) as neighbour, raw_connection(limited.address) as raw:
        assert await served(neighbour, 1)
        await raw.ping()  # so that both know of each other's settings
        raw.send(data)
        if outcome == "closed":
            await raw.first(raw.closed)
        else:
            if outcome != "silence":
                await raw.answered(1)
            assert await served(raw, 5), "expected the connection to go on"
            assert raw.answer(1).status == outcome.replace("silence", "")
        assert await served(neighbour, 3)
        async with raw_connection(limited.address) as following:
            assert await served(following, 1)


@pytest.mark.parametrize("opening", OPENINGS)
async def test_a_client_that_speaks_something_else_is_shown_out(plain, opening):
    async with (
        raw_connection(plain.address) as neighbour,
        raw_connection(plain.address, opening=OPENINGS[opening]) as raw,
    ):
        await raw.first(raw.closed)
        assert await served(neighbour, 1)


async def test_a_deadline_ends_a_call_whose_message_never_comes(plain):
    async with raw_connection(plain.address) as raw:
        raw.send(head(1, ECHO, grpc_timeout="99m") + head(3, ECHO, grpc_timeout="99m"))
        raw.send(frame(DATA, 0, 3, message(b"half", length_bytes=8)))
        assert [(await raw.answered(stream)).status for stream in (1, 3)] == ["grpc 4"] * 2
        assert await served(raw, 5)
    assert len(plain.seen) == 1


async def test_a_client_that_says_goaway_gets_its_answers(plain):
    async with raw_connection(plain.address) as neighbour, raw_connection(plain.address) as raw:
        raw.send(call(1, ECHO, b"before") + frame(GOAWAY, payload=bytes(8)))
        assert (await raw.answered(1)).status == "grpc 0"
        assert await served(neighbour, 1)
