"""How calls end: codes, details in any language, metadata with them, methods that are not there."""

from __future__ import annotations

from urllib.parse import unquote

import grpc
import pytest

from support.http2_frames import call, raw_connection
from support.plain_service import ECHO, FAIL

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
DETAILS = [
    "",
    "plain",
    "100 % {}",
    "prêt à porter",
    "価格が違います",
    "🛒",
    "line\r\nbreak\ttab",
    "%41 stays",
    "x" * 2_000,
]


async def failure_of(channel, path: str) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await channel.unary_unary(path)(b"")
    return failed.value


async def test_every_code_arrives_with_its_details_and_its_metadata(plain, channel):
    for code in CODES:
        plain.failure = (code, f"{code.name} it is")
        error = await failure_of(channel, FAIL)
        assert (error.code(), error.details()) == plain.failure
        assert dict(error.trailing_metadata())["x-why-bin"] == b"\0\xff"


@pytest.mark.parametrize("details", DETAILS, ids=lambda details: ascii(details[:10]))
async def test_details_arrive_whatever_they_hold_and_travel_as_ascii(plain, channel, details):
    plain.failure = (grpc.StatusCode.NOT_FOUND, details)
    assert (await failure_of(channel, FAIL)).details() == details
    async with raw_connection(plain.address) as raw:
        raw.send(call(1, FAIL))
        sent = dict((await raw.answered(1)).headers).get("grpc-message", "")
    assert sent.isascii()
    assert sent.isprintable()
    assert unquote(sent, errors="strict") == details


@pytest.mark.parametrize("path", ["/test.Plain/Nothing", "/test.Nothing/Echo", "/nothing"])
async def test_what_is_not_there_is_unimplemented(channel, path):
    assert (await failure_of(channel, path)).code() is grpc.StatusCode.UNIMPLEMENTED
    assert await channel.unary_unary(ECHO)(b"after") == b"after"
