"""The running server: health, reflection, deadlines, errors, a store that fails."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from presage.v1 import scoring_service_pb2 as pb
from presage_server import app
from presage_server.app import running
from presage_server.errors import StoreStartError
from presage_server.scoring import scorer as scoring
from presage_server.settings import Settings
from presage_server.store import opening
from support.proxies import silent_store
from support.running_server import an_event, serving, track, until_accepted
from support.stores import local_store

pytestmark = pytest.mark.usefixtures("each_transport")  # both behave the same here

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICE, RANKING, MODELS = "presage.v1.ScoringService", "presage.v1.RankingService", "presage.v1.ModelService"
NOW = 1_700_000_000_000_000


async def code_of(call) -> str:
    """Await a call that has to fail; return its status."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code().name


async def listed_services(channel) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (response,) = [one async for one in stub.ServerReflectionInfo(iter([request]))]
    return {service.name for service in response.list_services_response.service}


async def test_health_knows_the_server_and_the_service_by_name(served):
    stub = health_pb2_grpc.HealthStub(served.channel)
    for name in ("", SERVICE, RANKING, MODELS):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
    assert await code_of(stub.Check(health_pb2.HealthCheckRequest(service="another"))) == "NOT_FOUND"


async def test_reflection_lists_the_services_unless_it_is_switched_off(store, models, served):
    reflections = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    expected = {SERVICE, RANKING, MODELS, "grpc.health.v1.Health"} | reflections
    assert await listed_services(served.channel) == expected
    async with serving(redis_url=store.url, models=models, reflection=False) as silent:
        # pygrpc-native resets the stream right behind its answer, and the client sees the one or the other.
        assert await code_of(listed_services(silent.channel)) in {"UNIMPLEMENTED", "INTERNAL"}


async def test_a_store_that_is_down_degrades_scores_and_rejects_the_rest_until_it_is_back(
    short_directory, models, caplog
):
    with local_store(short_directory / "failing.sock") as store:
        async with serving(redis_url=store.url, models=models) as served:
            stub = served.stub
            cold = (await stub.Score(pb.ScoreRequest(user_id="nobody", as_of_unix_micros=NOW))).prediction
            await stub.TrackEvent(track("u", "first"))
            store.stop()

            prediction = (await stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW))).prediction
            assert (prediction.cold_start, prediction.degraded, prediction.score) == (True, True, cold.score)
            batch = pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=name) for name in "uv"])
            assert [one.degraded for one in (await stub.ScoreBatch(batch)).predictions] == [True, True]
            assert caplog.text.count("scores are served without history, events are rejected") == 1
            assert await code_of(stub.TrackEvent(track("u", "second"))) == "UNAVAILABLE"
            assert await code_of(stub.TrackEvents(pb.TrackEventsRequest(events=[an_event("u")]))) == "UNAVAILABLE"
            assert await code_of(stub.GetFeatures(pb.GetFeaturesRequest(user_id="u"))) == "UNAVAILABLE"

            store.start()
            assert not (await until_accepted(lambda: stub.TrackEvent(track("u", "third")))).duplicate
            prediction = (await stub.Score(pb.ScoreRequest(user_id="u"))).prediction
            assert (prediction.cold_start, prediction.degraded) == (False, False)


async def test_a_full_store_rejects_events_and_changes_nothing(short_directory, models):
    with local_store(short_directory / "filled.sock") as store:
        async with serving(redis_url=store.url, models=models) as served:
            await served.stub.TrackEvent(track("u", "first"))
            before = store.everything()
            store.redis.config_set("maxmemory", "1")
            assert await code_of(served.stub.TrackEvent(track("u", "second"))) == "FAILED_PRECONDITION"
            assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
            assert before == store.everything()


async def test_a_store_that_may_forget_is_warned_of(short_directory, models, caplog):
    with local_store(short_directory / "forgetful.sock", **{"maxmemory-policy": "allkeys-lru"}) as store:
        async with serving(redis_url=store.url, models=models):
            assert "maxmemory-policy is allkeys-lru" in caplog.text


async def test_a_hung_store_degrades_scores_in_time_and_ends_the_rest_at_their_deadline(store, models):
    """Before it counts as down."""
    batch = pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=name) for name in "uv"])
    async with serving(redis_url=store.url, models=models, timeout_ms=1_000, store_timeout_ms=60_000) as served:
        stub = served.stub
        cold = (await stub.Score(pb.ScoreRequest(user_id="nobody", as_of_unix_micros=NOW))).prediction
        await stub.TrackEvent(track("u", "first"))
        with store.frozen():
            # With no deadline of the caller's, the server's own; then the caller's.
            for timeout in (None, 0.7):
                score = pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW)
                scored, answers = await asyncio.gather(
                    stub.Score(score, timeout=timeout), stub.ScoreBatch(batch, timeout=timeout)
                )
                prediction = scored.prediction
                assert (prediction.cold_start, prediction.degraded, prediction.score) == (True, True, cold.score)
                assert [one.degraded for one in answers.predictions] == [True, True]
                codes = await asyncio.gather(
                    code_of(stub.TrackEvent(track("u", "hung"), timeout=timeout)),
                    code_of(stub.TrackEvents(pb.TrackEventsRequest(events=[an_event("u", "hung")]), timeout=timeout)),
                    code_of(stub.GetFeatures(pb.GetFeaturesRequest(user_id="u"), timeout=timeout)),
                )
                assert codes == ["DEADLINE_EXCEEDED"] * 3
    async with serving(redis_url=store.url, models=models) as served:
        await served.stub.TrackEvent(track("u", "hung"))
        assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        assert len(store.stream("u")) == 2


async def test_a_store_that_stays_hung_is_not_waited_for(store, models, caplog):
    """After ``store_timeout_ms``, scores are degraded at once, and the rest is rejected at once."""
    batch = pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=name) for name in "uv"])
    async with serving(redis_url=store.url, models=models, timeout_ms=60_000, store_timeout_ms=200) as served:
        stub = served.stub
        await stub.TrackEvent(track("u", "first"))
        with store.frozen():
            for _ in range(3):
                assert (await stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
                assert [one.degraded for one in (await stub.ScoreBatch(batch)).predictions] == [True, True]
                assert await code_of(stub.TrackEvent(track("u", "hung"))) == "UNAVAILABLE"
                assert await code_of(stub.TrackEvents(pb.TrackEventsRequest(events=[an_event("u")]))) == "UNAVAILABLE"
                assert await code_of(stub.GetFeatures(pb.GetFeaturesRequest(user_id="u"))) == "UNAVAILABLE"
        assert not (await until_accepted(lambda: stub.TrackEvent(track("u", "after")))).duplicate
        assert not (await stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        assert caplog.text.count("the store does not answer: no reply within 0.2 s") == 1
        assert caplog.text.count("the store answers again") == 1


async def test_a_call_without_time_left_is_not_started(store, models):
    async with serving(redis_url=store.url, models=models, timeout_ms=1) as served:
        code = await code_of(served.stub.TrackEvent(track("u", "late"), timeout=0.0005))
    assert code == "DEADLINE_EXCEEDED"
    assert store.blob("u") is None


async def test_cancelled_calls_leave_the_server_well(store, models):
    async with serving(redis_url=store.url, models=models, store_timeout_ms=60_000) as served:
        with store.frozen():
            calls = [served.stub.TrackEvent(track("u", f"cancelled-{number}")) for number in range(30)]
            await asyncio.sleep(0.1)
            for call in calls:
                call.cancel()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        responses = await asyncio.gather(
            *(served.stub.TrackEvent(track("u", f"after-{number}")) for number in range(30))
        )
        assert [response.duplicate for response in responses] == [False] * 30
        assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded


async def test_what_nobody_foresaw_is_internal_with_an_id_that_the_log_has_and_never_its_text(
    served, monkeypatch, caplog
):
    def fail(*_args, **_kwargs):
        raise ValueError("secret")

    monkeypatch.setattr(scoring, "feature_rows", fail)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await served.stub.Score(pb.ScoreRequest(user_id="u"))
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in repr(failed.value)
    error_id = re.search(r"internal error ([0-9a-f]{12});", failed.value.details())[1]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error_id in record.getMessage()
    assert record.exc_info[0] is ValueError
    monkeypatch.undo()
    assert (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.cold_start


async def test_a_server_does_not_wait_forever_for_a_silent_store(models, monkeypatch):
    monkeypatch.setattr(opening, "_STORE_SECONDS", 0.1)
    async with silent_store() as (url, _):
        with pytest.raises(StoreStartError, match=r"redis_url: the store does not answer within 0\.1 s"):
            async with serving(redis_url=url, models=models):
                pass


async def test_nobody_can_connect_until_all_is_warm(store, models, unused_tcp_port, monkeypatch):
    """Where several processes share the port, a caller would reach a cold one instead of another that is ready."""
    steps = []
    warm_up = app.warm_up

    def watched_warm_up(*arguments: Any) -> None:
        warm_up(*arguments)
        steps.append("warm")

    def see_that_nobody_listens() -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", unused_tcp_port))
        steps.append("refused")

    monkeypatch.setattr(app, "warm_up", watched_warm_up)
    settings = Settings(redis_url=store.url, models=models, port=unused_tcp_port)
    async with running(settings, warmed_up=see_that_nobody_listens) as address:
        assert steps == ["warm", "refused"]
        async with grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for name in ("", SERVICE, RANKING, MODELS):
                assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
