"""Sampled vectors of a running server: what is logged is what was served, and logging delays no score."""

from __future__ import annotations

import asyncio

import grpc
import msgspec
import numpy as np
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector, partition_of, stream_key
from support.archives import logged_vectors
from support.metrics import metric
from support.proxies import Road, rough_proxy
from support.running_server import GENEROUS_SECONDS, serving, track, until_accepted
from support.stores import local_store

NOW = 1_700_000_000_000_000


async def sampled(store, count: int) -> list[ServedVector]:
    """Wait for this number of vectors in the event log, and check that there are no more."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        while len(found := logged_vectors(store.redis)) < count:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    assert len(found) == count
    return list(found.values())


def as_served(user_id: str, session_id: str, prediction: pb.Prediction, **fields) -> dict:
    """What the log should say of a prediction that was answered with its features."""
    return {
        "user_id": user_id,
        "session_id": session_id,
        "model": prediction.model,
        "model_version": prediction.model_version,
        "values": np.array(list(prediction.features.values), dtype="<f4").tobytes(),
        "score": prediction.score,
        "arm": 0,
        "propensity": 1.0,
        "prior": False,
        "others": (),
    } | fields


async def counted(port: int, outcome: str, reason: str = "") -> float:
    return await metric(port, f'presage_sampled_vectors_total{{outcome="{outcome}",reason="{reason}"}}')


def by_visitor(logged: list[ServedVector]) -> dict[str, dict]:
    return {vector.user_id: msgspec.structs.asdict(vector) for vector in logged}


async def test_nothing_of_a_batch_that_is_rejected_is_logged(store, models):
    async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
        for count in (1, 500):  # in one slice, and in several
            targets = [*(pb.ScoreTarget(user_id=f"u-{number}") for number in range(count)), pb.ScoreTarget()]
            with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
                await served.stub.ScoreBatch(pb.ScoreBatchRequest(targets=targets))
        await served.stub.Score(pb.ScoreRequest(user_id="behind them"))
        (logged,) = await sampled(store, 1)
    assert logged.user_id == "behind them"
    assert len(logged_vectors(store.redis)) == 1


async def test_every_score_is_logged_as_it_was_answered_and_nothing_else_is(store, models):
    async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
        stub = served.stub
        event = track("told", "first", session_id="s-1", event_time_unix_micros=NOW)
        event.score = event.include_features = True
        told = (await stub.TrackEvent(event)).prediction
        for name in ("one", "two", "asked"):
            await stub.TrackEvent(track(name, f"of {name}", session_id="s-1", event_time_unix_micros=NOW))
        at = {"as_of_unix_micros": NOW + 1_000_000, "include_features": True}
        asked = (await stub.Score(pb.ScoreRequest(user_id="asked", model="second", **at))).prediction
        stranger = (await stub.Score(pb.ScoreRequest(user_id="stranger", **at))).prediction
        targets = [pb.ScoreTarget(user_id="one"), pb.ScoreTarget(user_id="two", session_id="s-1")]
        one, two = (await stub.ScoreBatch(pb.ScoreBatchRequest(targets=targets, **at))).predictions
        await stub.ScoreVectors(pb.ScoreVectorsRequest(vectors=[told.features]))
        await stub.GetFeatures(pb.GetFeaturesRequest(user_id="one"))
        logged = by_visitor(await sampled(store, 5))

    later = {"as_of_unix_micros": NOW + 1_000_000}
    expected = {
        "told": as_served("told", "s-1", told, last_event=digest("first"), as_of_unix_micros=NOW),
        "asked": as_served("asked", "", asked, last_event=digest("of asked"), **later),
        "stranger": as_served("stranger", "", stranger, last_event=b"", **later),
        "one": as_served("one", "", one, last_event=digest("of one"), **later),
        "two": as_served("two", "s-1", two, last_event=digest("of two"), **later),
    }
    prints = {name: vector.pop("fingerprint") for name, vector in logged.items()}
    assert logged == expected
    assert prints["asked"] != prints["told"] == prints["one"]
    assert (asked.model, told.model) == ("second", "conversion")


async def test_a_store_that_is_down_costs_vectors_and_no_scores(short_directory, models):
    with local_store(short_directory / "vectors.sock") as store:
        async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
            request = pb.ScoreRequest(user_id="nobody", as_of_unix_micros=NOW)
            cold = (await served.stub.Score(request)).prediction
            await sampled(store, 1)
            store.stop()
            for _ in range(20):
                prediction = (await served.stub.Score(request)).prediction
                assert (prediction.degraded, prediction.score) == (True, cold.score)
            store.start()
            await until_accepted(lambda: served.stub.TrackEvent(track("u", "first")))
            prediction = (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction
            assert not prediction.degraded
            (vector,) = await sampled(store, 1)
            assert (vector.user_id, vector.last_event) == ("u", digest("first"))


async def test_a_server_whose_store_rejects_vectors_goes_on_serving_scores(store, models, caplog):
    """The stream's key holds something else."""
    async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
        stream = stream_key(partition_of("u"))
        store.redis.set(stream, "no stream")
        for _ in range(3):
            assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        async with asyncio.timeout(GENEROUS_SECONDS):
            while "sampled vectors are dropped: the store rejects them" not in caplog.text:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert store.redis.get(stream) == b"no stream"


async def test_a_connection_that_breaks_has_no_vector_logged_twice(store, models, unused_tcp_port):
    sampling = {"sample_vectors_share": 1.0, "metrics_port": unused_tcp_port}
    # The first connections last long enough for the store to be checked and opened.
    road = Road(
        pieces_bytes=(17, 4_096), pauses_ms=(0,), breaks_after_bytes=(9_000, 9_000, 9_000, *[2_200, 2_300] * 20)
    )
    scored, degraded = 500, 0
    async with (
        rough_proxy(store, road) as url,
        serving(redis_url=url, models=models, store_timeout_ms=10_000, **sampling) as served,
    ):
        for first in range(0, scored, 10):
            requests = [pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW + first + more) for more in range(10)]
            responses = await asyncio.gather(*(served.stub.Score(request) for request in requests))
            degraded += sum(response.prediction.degraded for response in responses)
        async with asyncio.timeout(GENEROUS_SECONDS):
            while True:
                logged = await counted(unused_tcp_port, "logged")
                dropped = await counted(unused_tcp_port, "dropped", "unavailable")
                if logged + dropped == scored - degraded:
                    break
                await asyncio.sleep(0.01)

    found = [vector.as_of_unix_micros for vector in logged_vectors(store.redis).values()]
    assert dropped > 0
    assert sorted(found) == sorted(set(found))
    assert len(found) >= logged > 0
