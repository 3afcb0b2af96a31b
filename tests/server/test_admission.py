"""Which calls are begun when more come than can be served."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_server import service, transport
from presage_server.admission import Admission
from support.running_server import serving


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


async def turn(admission: Admission, clock: Clock, calls: int, seconds: float) -> int:
    """Let a turn of the loop take some time, with calls that come in it; answer with how many were begun."""
    begun = sum(admission.admits() for _ in range(calls))
    clock.seconds += seconds
    await asyncio.sleep(0)
    return begun


async def test_while_turns_are_short_everything_is_begun():
    clock = Clock()
    admission = Admission(calls=3, clock=clock)

    assert [await turn(admission, clock, 500, 0.001) for _ in range(3)] == [500] * 3


async def test_a_hiccup_refuses_nobody():
    clock = Clock()
    admission = Admission(calls=20, clock=clock)

    for seconds in (0.09, 0.001, 0.05, 0.04, 0.001, 5.0, 0.001):
        assert await turn(admission, clock, 500, seconds) == 500


async def test_behind_long_turns_only_some_are_begun_until_nothing_is_refused_any_more():
    clock = Clock()
    admission = Admission(calls=20, clock=clock)

    assert [await turn(admission, clock, 500, 0.03) for _ in range(4)] == [500] * 4
    assert [await turn(admission, clock, 500, 0.001) for _ in range(300)] == [20] * 300
    assert [await turn(admission, clock, 7, 0.001) for _ in range(250)] == [7] * 250
    assert await turn(admission, clock, 500, 0.001) == 500


async def test_refused_calls_are_told_so_and_counted_and_health_is_answered(store, models, monkeypatch):
    class Closed(Admission):
        def admits(self) -> bool:
            return False

    monkeypatch.setattr(transport, "Admission", Closed)
    monkeypatch.setattr(service, "_warm_up", lambda *_: asyncio.sleep(0))
    async with serving(redis_url=store.url, models=models, transport="native") as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.stub.Score(pb.ScoreRequest(user_id="u"))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        health = health_pb2_grpc.HealthStub(served.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
