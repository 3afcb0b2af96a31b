"""What becomes of calls when the store rejects reads, is down, hangs, or is slow."""

from __future__ import annotations

import time

from presage.v1 import prediction_pb2
from presage.v1 import scoring_service_pb2 as pb
from support.pipelines import LocalCall, LocalPipeline, an_event, local_pipeline, track
from support.stores import local_store, opened

NOW = 1_700_000_000_000_000


def score(user_id: str = "u", **fields) -> pb.ScoreRequest:
    return pb.ScoreRequest(user_id=user_id, as_of_unix_micros=NOW, **fields)


def visit(server: LocalPipeline, user_id: str) -> None:
    assert not server.answer(track(user_id, f"of {user_id}", event_time_unix_micros=NOW - 1)).duplicate


def test_a_read_that_the_store_rejects_makes_scores_degraded(store, models):
    """As while it loads its data, or as a replica that has lost its primary; events are rejected."""
    store.redis.acl_setuser("restricted", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-get"])
    try:
        url = f"{store.url}?username=restricted&password=secret"
        with opened(store, url=url) as view, local_pipeline(view, models) as server:
            calls = [
                LocalCall(score("u")),
                LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="u")])),
                LocalCall(track("u", "1")),
                LocalCall(pb.GetFeaturesRequest(user_id="u")),
            ]
            server.run(*calls)
            assert [call.outcome for call in calls] == ["OK", "OK", "UNAVAILABLE", "UNAVAILABLE"]
            assert calls[0].response.prediction.degraded
            assert calls[1].response.predictions[0].degraded
            assert server.counted("presage_scores_total", history="unreadable") == 2
    finally:
        store.redis.acl_deluser("restricted")


def test_while_the_store_is_down_scores_are_degraded_at_once_and_events_rejected(short_directory, models):
    with (
        local_store(short_directory / "pipeline-down.sock") as store,
        opened(store) as view,
        local_pipeline(view, models) as server,
    ):
        visit(server, "u")
        store.stop()
        server.run(LocalCall(score("u")))
        assert server.link.down
        started = time.monotonic()
        calls = [
            LocalCall(score("u")),
            LocalCall(track("u", "2")),
            LocalCall(pb.TrackEventRequest(event=an_event("v", "2"), score=True)),
            LocalCall(pb.TrackEventsRequest(events=[an_event("w", "2")])),
            LocalCall(pb.GetFeaturesRequest(user_id="u")),
            LocalCall(pb.ScoreVectorsRequest(vectors=[prediction_pb2.FeatureVector(values=[0.0] * 20)])),
        ]
        server.turn(*calls)
        assert time.monotonic() - started < 0.2
        outcomes = [call.outcome for call in calls]
        assert outcomes == ["OK", *["UNAVAILABLE"] * 4, "OK"]
        assert calls[0].response.prediction.degraded
        assert server.turn() < 0.01, "expected a turn soon, to see whether the store is back"
        store.start()
        while server.link.down:
            server.turn()
        assert not server.answer(score("u")).prediction.degraded
        assert not server.answer(track("u", "2")).duplicate


def test_a_score_waits_for_a_hung_store_for_half_of_its_time_and_events_for_all_of_it(store, models):
    with opened(store, timeout_seconds=60.0) as view, local_pipeline(view, models) as server:
        visit(server, "u")
        with store.frozen():
            started = time.monotonic()
            scored = LocalCall(score("u"), seconds=1.0)
            batch = LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="u")] * 2), seconds=1.0)
            patient = LocalCall(score("u"), seconds=60.0)
            event = LocalCall(track("u", "2"), seconds=1.2)
            features = LocalCall(pb.GetFeaturesRequest(user_id="u"), seconds=1.2)
            server.run(scored, batch)
            assert time.monotonic() - started >= 0.5
            assert scored.response.prediction.degraded
            assert [one.degraded for one in batch.response.predictions] == [True] * 2
            server.turn(patient, event, features)
            server.finish(event, features)
            assert time.monotonic() - started >= 1.2
            assert (event.outcome, features.outcome) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
            assert patient.outcome == ""
        server.finish(patient)
        assert not patient.response.prediction.degraded
        while server.link.pending or server.tracker.ready:
            server.turn()
        assert server.answer(track("u", "2")).duplicate, "the store carried it out after all"


def test_a_hung_store_fails_what_waits_after_the_timeout_and_the_rest_at_once(store, models):
    with opened(store, timeout_seconds=0.2) as view, local_pipeline(view, models) as server:
        visit(server, "u")
        with store.frozen():
            calls = [LocalCall(score("u")), LocalCall(track("u", "2")), LocalCall(track("v", "1"))]
            server.run(*calls)
            assert [call.outcome for call in calls] == ["OK", "UNAVAILABLE", "UNAVAILABLE"]
            assert calls[0].response.prediction.degraded
            later = LocalCall(score("u"))
            server.turn(later)
            assert later.response.prediction.degraded
        while server.link.down:
            server.turn()
        assert not server.answer(score("u")).prediction.degraded


def test_round_trips_overlap_when_the_store_is_slow(store, models):
    with opened(store) as view, local_pipeline(view, models, wait_seconds=0.0) as server:
        server.link._round_trip_seconds = 0.1
        with store.frozen():
            calls = [LocalCall(score(f"u{number}")) for number in range(5)]
            for call in calls:
                server.turn(call)
            assert len(server.pipeline._reading) == 5
        server.finish(*calls)
        assert {call.outcome for call in calls} == {"OK"}
