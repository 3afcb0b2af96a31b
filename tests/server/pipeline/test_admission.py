"""Which calls are begun when more come than can be served."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_server import app as service
from presage_server.pipeline.admission import Admission
from support.running_server import serving


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def turns(admission: Admission, clock: Clock, under_way: int, took_seconds: float, during_seconds: float) -> list[bool]:
    """Let calls come one in each turn beside those under way; answer with which were begun."""
    admitted = []
    for _ in range(round(during_seconds / took_seconds)):
        came = clock()
        admitted.append(admission.admits(under_way))
        clock.seconds += took_seconds
        if admission.heeds(under_way):
            admission.had_turn(came)
    return admitted


def test_while_turns_are_short_calls_are_begun_up_to_the_most():
    clock = Clock()
    admission = Admission(100, few=10, clock=clock)

    assert all(turns(admission, clock, 99, 0.001, 5.0))
    assert not any(turns(admission, clock, 100, 0.001, 5.0))


def test_a_few_calls_are_always_begun_however_long_turns_are():
    clock = Clock()
    admission = Admission(100, few=10, clock=clock)

    assert all(turns(admission, clock, 9, 0.5, 50.0))


def test_behind_long_turns_only_a_few_are_under_way_until_nothing_was_refused_for_a_while():
    clock = Clock()
    admission = Admission(100, few=10, clock=clock)
    assert all(turns(admission, clock, 99, 0.01, 0.1))
    turns(admission, clock, 99, 0.01, 0.05)

    assert not any(turns(admission, clock, 10, 0.001, 5.0))
    assert all(turns(admission, clock, 9, 0.001, 0.15))
    assert not any(turns(admission, clock, 10, 0.001, 5.0))
    assert all(turns(admission, clock, 9, 0.001, 0.25))
    assert all(turns(admission, clock, 99, 0.001, 5.0))


def test_a_hiccup_refuses_nobody():
    clock = Clock()
    admission = Admission(100, few=10, clock=clock)

    for _ in range(10):
        assert all(turns(admission, clock, 99, 0.001, 0.15))
        assert turns(admission, clock, 99, 0.04, 0.04) == [True]


def test_bursts_with_time_between_them_are_no_load():
    clock = Clock()
    admission = Admission(100, few=10, clock=clock)

    for _ in range(10):
        assert turns(admission, clock, 99, 0.03, 0.06) == [True] * 2
        clock.seconds += 1.0


def test_fewer_than_a_few_may_be_the_most():
    admission = Admission(3, few=10, clock=Clock())

    assert [admission.admits(under_way) for under_way in (2, 3)] == [True, False]


async def test_refused_calls_are_told_so_and_counted_and_health_is_answered(store, models, monkeypatch):
    class Closed(Admission):
        def admits(self, under_way: int) -> bool:  # noqa: ARG002 - whatever it is
            return False

    monkeypatch.setattr(service, "Admission", Closed)
    monkeypatch.setattr(service, "_warm_up", lambda *_: asyncio.sleep(0))
    async with serving(redis_url=store.url, models=models, transport="native") as served:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await served.stub.Score(pb.ScoreRequest(user_id="u"))
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        health = health_pb2_grpc.HealthStub(served.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def test_what_goes_wrong_when_a_call_is_taken_over_leaves_the_next_ones_alone(store, models, monkeypatch):
    class BrokenOnce(Admission):
        broken = False

        def admits(self, under_way: int) -> bool:
            if not self.broken:
                self.broken = True
                raise RuntimeError("broken")
            return super().admits(under_way)

    monkeypatch.setattr(service, "Admission", BrokenOnce)
    monkeypatch.setattr(service, "_warm_up", lambda *_: asyncio.sleep(0))
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))
    async with serving(redis_url=store.url, models=models, transport="native") as served:
        with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
            await served.stub.Score(pb.ScoreRequest(user_id="u"), timeout=0.3)
        assert (await served.stub.Score(pb.ScoreRequest(user_id="u"), timeout=20)).prediction.cold_start
    assert [str(error) for error in errors] == ["broken"]
