"""Tokens of a server with several workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.access.denials import Denial
from presage_server.access.following import TokensFollower
from presage_server.access.gate import Gate
from presage_server.access.opening import Access
from presage_server.access.sharing import access_from_json, workers_access
from support.metrics import metrics_text
from support.running_server import server_process
from support.tokens import bearing, secret_of, write_tokens
from support.worker_processes import channels, stub_of, until, workers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections; and reads /proc")

CODE = grpc.StatusCode
SCORE = "/presage.v1.ScoringService/Score"


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


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has memory without a name")
def test_workers_are_given_the_tokens_and_count_in_the_same_memory(tmp_path):
    file = tmp_path / "tokens.json"
    write_tokens(file, shop=("score", 1.0, 3))
    gate = Gate((), ())
    with workers_access(Access(gate, TokensFollower(file, gate.replace))) as access:
        # As each worker process inherits it.
        messages = [json.loads(json.dumps(access.to_json() | {"slots": os.dup(access.descriptor)})) for _ in range(2)]
        shared = [access_from_json(message) for message in messages]
    assert [[token.name for token in one.tokens] for one in shared] == [["shop"]] * 2
    gates = [Gate(one.tokens, (), one.slots) for one in shared]
    checked = [gates[number % 2].check(SCORE, bearing("shop"), 5.0) for number in range(4)]
    assert [isinstance(one, Denial) for one in checked] == [False, False, False, True]


@pytest.mark.slow
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
        assert "the tokens in use stay as they are" in server.log
