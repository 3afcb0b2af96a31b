"""How large a message may be, and what one that is larger does."""

from __future__ import annotations

import asyncio
import gzip

import grpc
import pytest

from support.http2_frames import DATA, END_STREAM, frame, head, message, raw_connection
from support.plain_service import ECHO, plain_server

LIMIT_BYTES = 64 << 10


@pytest.fixture
async def limited(each_transport):
    async with plain_server(each_transport, max_message_bytes=LIMIT_BYTES) as service:
        yield service


async def test_the_largest_message_is_taken_and_one_byte_more_is_refused(limited):
    async with grpc.aio.insecure_channel(limited.address) as channel:
        echo = channel.unary_unary(ECHO)
        assert await echo(bytes(LIMIT_BYTES)) == bytes(LIMIT_BYTES)
        for more in (1, 10 * LIMIT_BYTES):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await echo(bytes(LIMIT_BYTES + more))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert f"({LIMIT_BYTES + more} vs. {LIMIT_BYTES})" in refused.value.details()
        assert await echo(b"after") == b"after"
    assert len(limited.seen) == 2


async def test_messages_over_the_limit_fail_none_beside_them(limited):
    """All on one connection, whose window they share."""
    async with grpc.aio.insecure_channel(limited.address) as channel:
        echo = channel.unary_unary(ECHO)
        calls = [echo(bytes(LIMIT_BYTES * (1 + 3 * (number % 2)))) for number in range(40)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert outcomes[::2] == [bytes(LIMIT_BYTES)] * 20
    assert {error.code() for error in outcomes[1::2]} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_the_limit_is_for_what_a_message_unpacks_to(limited):
    packed = gzip.compress(bytes(8 << 20))
    assert len(packed) < LIMIT_BYTES
    async with raw_connection(limited.address) as raw:
        raw.send(head(1, ECHO, grpc_encoding="gzip") + frame(DATA, END_STREAM, 1, message(packed, compressed=1)))
        assert (await raw.answered(1)).status == "grpc 8"
    assert limited.seen == []
