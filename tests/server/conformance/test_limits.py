"""How large a message may be, and what one that is larger does."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from pathlib import Path

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from support.http2_frames import DATA, END_STREAM, frame, head, message, raw_connection
from support.plain_service import ECHO, plain_server
from support.running_server import server_process
from support.transport_differences import expected

LIMIT_BYTES = 64 << 10
INFLATED_BYTES = 60 << 20
FIRST_WINDOW_BYTES = 65_535
"""What a connection may send before the server has read anything."""
SCORE = "/presage.v1.ScoringService/Score"


def zeros_packed(count: int) -> bytes:
    """Compress zeros, a thousand to one, without having them all in memory."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(count >> 20)), packer.flush()])


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had so far."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) << 10


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_memory_that_a_small_compressed_request_takes(each_transport, store, models, tmp_path):
    """As long as it is not bounded with native, that listens beyond loopback only for trusted clients."""
    packed = zeros_packed(INFLATED_BYTES)
    assert len(packed) < FIRST_WINDOW_BYTES
    flags = ("--models", str(models), "--redis-url", store.url, "--max-message-bytes", str(4 << 20))
    with server_process(tmp_path / "log", *flags) as server:
        async with raw_connection(server.address) as raw, grpc.aio.insecure_channel(server.address) as channel:
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            await stub.Score(pb.ScoreRequest(user_id="before"))
            before = peak_bytes(server.pid)
            for stream in (1, 3, 5):
                body = message(packed, compressed=1)
                pieces = [body[at : at + (16 << 10)] for at in range(0, len(body), 16 << 10)]
                frames = [frame(DATA, END_STREAM * (piece is pieces[-1]), stream, piece) for piece in pieces]
                raw.send(head(stream, SCORE, grpc_encoding="gzip") + b"".join(frames))
                assert (await raw.answered(stream)).status == "grpc 8"
                await raw.ping()  # by now it has given the connection's window back
            await stub.Score(pb.ScoreRequest(user_id="after"))
            grown = peak_bytes(server.pid) - before
    outcome = "bounded" if grown < INFLATED_BYTES // 2 else "unbounded"
    assert outcome == expected("memory of a compressed request", each_transport), f"grew by {grown >> 20} MiB"
