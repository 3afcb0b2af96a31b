"""Tokens of a server with several workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from support.metrics import metrics_text
from support.running_server import server_process
from support.tokens import bearing, secret_of, write_tokens
from support.worker_processes import channels, stub_of, until, workers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections; and reads /proc")

CODE = grpc.StatusCode


async def answers(address, name, *, count=16) -> list[grpc.StatusCode]:
    """Make a call on each of several new connections, so that every worker gets some."""

    async def answer(channel) -> grpc.StatusCode:
        try:
            await stub_of(channel).Score(pb.ScoreRequest(user_id="u"), metadata=bearing(name), timeout=30)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return CODE.OK

    async with channels(address, count) as opened:
        return list(await asyncio.gather(*map(answer, opened)))


async def test_all_workers_share_tokens_and_rates_and_follow_the_file(models, store, tmp_path, unused_tcp_port):
    tokens = tmp_path / "tokens.json"
    write_tokens(tokens, first="score", slow=("score", 0.001, 5))
    flags = ("--models", str(models), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "log", "--workers", "2", "--tokens-file", str(tokens), *flags) as server:
        assert set(await answers(server.address, "first")) == {CODE.OK}
        assert sorted(await answers(server.address, "slow"), key=str) == [CODE.OK] * 5 + [CODE.RESOURCE_EXHAUSTED] * 11
        assert (await metrics_text(unused_tcp_port)).startswith("HTTP/1.1 401 ")
        text = await metrics_text(unused_tcp_port, secret_of("slow"))
        assert 'presage_token_calls_total{outcome="over_rate",token="slow"} 11.0' in text

        write_tokens(tokens, second="score", slow=("score", 0.001, 5))

        async def all_know() -> bool:
            return set(await answers(server.address, "second")) == {CODE.OK}

        await until(all_know)
        assert set(await answers(server.address, "first")) == {CODE.UNAUTHENTICATED}
        assert set(await answers(server.address, "slow")) == {CODE.RESOURCE_EXHAUSTED}

        # A worker that is started again while the file is broken has the tokens of the others.
        tokens.write_text("{")
        before = workers_of(server)
        os.kill(before[0], signal.SIGKILL)

        async def is_replaced() -> bool:
            text = await metrics_text(unused_tcp_port, secret_of("second"))
            return "presage_workers 2.0" in text and workers_of(server) != before

        await until(is_replaced)
        assert set(await answers(server.address, "second")) == {CODE.OK}
        assert set(await answers(server.address, "slow")) == {CODE.RESOURCE_EXHAUSTED}
        assert server.log.count("the tokens in use stay as they are") == 0 or "is not a valid tokens file" in server.log
