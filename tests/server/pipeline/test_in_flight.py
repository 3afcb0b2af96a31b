"""How many calls a server lets in at once."""

from __future__ import annotations

import asyncio
import itertools

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_server.errors import OverloadedError
from presage_server.pipeline.in_flight import InFlight
from support.metrics import metric
from support.running_server import serving, track

LIMIT = 5


def test_as_many_as_may_be_are_let_in_and_each_that_ends_makes_room():
    in_flight = InFlight(2)
    with in_flight, in_flight:
        for _ in range(3):  # one that was refused takes no room
            with pytest.raises(OverloadedError, match="2 calls are under way already"), in_flight:
                pass
    with pytest.raises(ValueError, match="broken"), in_flight, in_flight:
        raise ValueError("broken")
    with in_flight, in_flight:
        pass


async def test_further_calls_are_told_to_try_again_while_health_answers(store, models, unused_tcp_port):
    settings = {"max_in_flight": LIMIT, "metrics_port": unused_tcp_port}
    async with serving(redis_url=store.url, models=models, **settings) as served:
        with store.frozen():
            calls = [asyncio.ensure_future(served.stub.TrackEvent(track("u", str(n)))) for n in range(LIMIT + 20)]
            for ended in itertools.islice(asyncio.as_completed(calls), 20):
                with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
                    await ended
            under_way = [call for call in calls if not call.done()]
            refused = [call.exception() for call in calls if call.done()]
            assert {error.details() for error in refused} == {
                "5 calls are under way already; try again, later or elsewhere"
            }
            for call in (
                served.stub.Score(pb.ScoreRequest(user_id="u")),
                served.stub.GetFeatures(pb.GetFeaturesRequest(user_id="u")),
                served.stub.ScoreVectors(pb.ScoreVectorsRequest()),
            ):
                with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
                    await call
            health = health_pb2_grpc.HealthStub(served.channel)
            status = (await health.Check(health_pb2.HealthCheckRequest())).status
            assert status == health_pb2.HealthCheckResponse.SERVING
            assert [call.done() for call in under_way] == [False] * LIMIT
        assert [answer.duplicate for answer in await asyncio.gather(*under_way)] == [False] * LIMIT
        assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        labels = 'grpc_code="RESOURCE_EXHAUSTED",grpc_method="TrackEvent"'
        assert await metric(unused_tcp_port, f"grpc_server_handled_total{{{labels}}}") == 20
    assert len(store.stream("u")) == LIMIT


async def test_a_watch_of_the_health_is_not_a_call_under_way(store, models):
    async with serving(redis_url=store.url, models=models, max_in_flight=LIMIT) as served:
        health = health_pb2_grpc.HealthStub(served.channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2 * LIMIT)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        for watch in watches:
            watch.cancel()
