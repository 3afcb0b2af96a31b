"""Sampled vectors of a running server: what goes into the log is what was served, and logging it is in nobody's way."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector, partition_of, stream_key
from presage_server.eventlog.sampling import Sampler
from presage_server.telemetry.metrics import Metrics
from support.archives import logged_vectors
from support.proxies import Road, rough_proxy
from support.running_server import GENEROUS_SECONDS, serving, track
from support.stores import local_store, opened
from support.vectors import a_vector

NOW = 1_700_000_000_000_000


async def sampled(store, count: int) -> list[ServedVector]:
    """Wait for so many vectors in the event log, and look whether there are more."""
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
    } | fields


def counted(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("presage_sampled_vectors_total", {"outcome": outcome}) or 0.0


def by_visitor(logged: list[ServedVector]) -> dict[str, dict]:
    return {vector.user_id: msgspec.structs.asdict(vector) for vector in logged}


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
            assert not (await served.stub.TrackEvent(track("u", "first"))).duplicate
            prediction = (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction
            assert not prediction.degraded
            (vector,) = await sampled(store, 1)
            assert (vector.user_id, vector.last_event) == ("u", digest("first"))


async def test_a_store_that_refuses_vectors_goes_on_serving_scores(store, models, caplog):
    """The stream's key holds something else."""
    async with serving(redis_url=store.url, models=models, sample_vectors_share=1.0) as served:
        stream = stream_key(partition_of("u"))
        store.redis.set(stream, "no stream")
        for _ in range(3):
            assert not (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.degraded
        async with asyncio.timeout(GENEROUS_SECONDS):
            while "a sampled vector could not be logged" not in caplog.text:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert store.redis.get(stream) == b"no stream"


async def test_a_connection_that_breaks_has_no_vector_logged_twice(store, monkeypatch):
    monkeypatch.setattr("presage_server.eventlog.sampling._RETRY_SECONDS", 0.0)
    metrics = Metrics()
    sampler = Sampler(share=1.0, random=lambda: 0.0, metrics=metrics)
    # The first connection lasts long enough for the store to be opened.
    road = Road(pieces_bytes=(17, 4_096), pauses_ms=(0,), breaks_after_bytes=(9_000, *[200, 300] * 20))
    async with rough_proxy(store, road) as url, opened(store, url=url) as view:
        task = asyncio.create_task(sampler.run(view))
        for number in range(500):
            sampler.offer(a_vector(as_of_unix_micros=number))
        async with asyncio.timeout(GENEROUS_SECONDS):
            while counted(metrics, "logged") + counted(metrics, "dropped") < 500:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        task.cancel()

    logged = [vector.as_of_unix_micros for vector in logged_vectors(store.redis).values()]
    assert counted(metrics, "dropped") > 0
    assert logged == sorted(set(logged))
    assert len(logged) >= counted(metrics, "logged") > 0
