"""Clients that ask and do not read: they cost what they asked for, for as long as they are there, and nobody else anything."""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage.v1 import scoring_service_pb2_grpc
from support.http2_frames import PREFACE, WINDOW_UPDATE, call, frame, message, raw_connection, settings
from support.plain_service import ECHO, SWELL
from support.running_server import GENEROUS_SECONDS, server_process

SCORE_BATCH = "/presage.v1.ScoringService/ScoreBatch"
NO_WINDOW = PREFACE + settings(window=0)


def resident_bytes(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) << 10


async def test_a_small_window_gets_all_of_an_answer_piece_by_piece(plain):
    body = bytes(range(256)) * 40
    async with raw_connection(plain.address, opening=PREFACE + settings(window=100)) as raw:
        raw.send(call(1, ECHO, body))
        answer = raw.answer(1)
        for given in range(100, len(message(body)), 1_000):
            async with asyncio.timeout(GENEROUS_SECONDS):
                while len(answer.body) < given:  # noqa: ASYNC110 - of the network
                    await asyncio.sleep(0.001)
            assert len(answer.body) == given
            raw.send(frame(WINDOW_UPDATE, stream=1, payload=struct.pack(">I", 1_000)))
        await raw.answered(1)
        assert (answer.status, bytes(answer.body)) == ("grpc 0", message(body))


async def test_who_gives_no_window_gets_nothing_and_keeps_nobody_waiting(plain, channel):
    """Its calls are answered as far as the server is concerned; the answers wait for room."""
    body = bytes(200)
    streams = range(1, 401, 2)
    async with raw_connection(plain.address, opening=NO_WINDOW) as raw:
        raw.send(b"".join(call(stream, ECHO, body) for stream in streams))
        await raw.ping()
        assert await channel.unary_unary(ECHO)(b"other") == b"other"
        assert {bytes(raw.answer(stream).body) for stream in streams} == {b""}
        assert not any(raw.answer(stream).ended.is_set() for stream in streams)
        raw.send(b"".join(frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", 2_000)) for stream in streams))
        assert {(await raw.answered(stream)).status for stream in streams} == {"grpc 0"}
        assert {bytes(raw.answer(stream).body) for stream in streams} == {message(body)}


async def test_who_does_not_read_from_its_socket_keeps_nobody_waiting(plain, channel):
    """It has given all the window there is, so that only the system's buffers stop the server."""
    windows = settings(window=2**31 - 1) + frame(WINDOW_UPDATE, payload=struct.pack(">I", 2**30))
    async with raw_connection(plain.address, opening=PREFACE + windows, reads=False) as raw:
        raw.send(b"".join(call(stream, SWELL) for stream in range(1, 61, 2)))
        answers = await asyncio.gather(*(channel.unary_unary(ECHO)(bytes([number])) for number in range(50)))
        assert answers == [bytes([number]) for number in range(50)]
    assert await channel.unary_unary(ECHO)(b"after") == b"after"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_slow_readers_have_cost_is_free_when_they_leave(each_transport, store, models, tmp_path):
    """The last rounds together ask for several times what they may add."""
    targets = [pb.ScoreTarget(user_id=f"u{number}") for number in range(600)]
    batch = pb.ScoreBatchRequest(targets=targets, include_features=True)
    calls, rounds = 33, 10
    asked = b"".join(call(2 * number + 1, SCORE_BATCH, batch.SerializeToString()) for number in range(calls))
    flags = ("--models", str(models), "--redis-url", store.url, "--timeout-ms", "60000")
    resident = []
    with server_process(tmp_path / "log", *flags) as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            answer_bytes = (await stub.ScoreBatch(batch)).ByteSize()
            for _ in range(rounds):
                async with raw_connection(server.address, opening=NO_WINDOW) as raw:
                    await raw.ping()  # by now it has said how much it takes
                    raw.send(asked)
                    await raw.ping()
                    # Another's call behind them is answered, though nobody reads what they ask for.
                    await stub.ScoreBatch(batch)
                    resident.append(resident_bytes(server.pid))
    assert resident[-1] - resident[2] < 3 * calls * answer_bytes
