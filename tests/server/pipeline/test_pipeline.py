"""What happens to batches of calls: together, each on its own, and in time."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import numpy as np
import pytest

from presage.v1 import event_pb2, prediction_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import CONVERSION
from presage_server.models.loading import load_model
from presage_server.models.model import Model
from presage_server.models.served import Models, Route, Served
from presage_server.store.keys import state_key
from support.bundles import write_small_bundle
from support.pipelines import LocalCall, LocalPipeline, an_event, local_pipeline, track
from support.states import nested
from support.stores import opened

NOW = 1_700_000_000_000_000


@pytest.fixture
def server(store, models):
    with opened(store) as view, local_pipeline(view, models) as local:
        yield local


def score(user_id: str = "u", **fields) -> pb.ScoreRequest:
    return pb.ScoreRequest(user_id=user_id, as_of_unix_micros=NOW, **fields)


def visit(server: LocalPipeline, *user_ids: str) -> None:
    calls = [LocalCall(track(user_id, f"of {user_id}", event_time_unix_micros=NOW - 1)) for user_id in user_ids]
    server.run(*calls)
    assert {call.outcome for call in calls} <= {"OK"}


def test_calls_of_all_kinds_share_a_turn_and_one_round_trip(store, server):
    visit(server, "a", "b")
    vector = server.answer(score("a", include_features=True)).prediction.features
    calls = [
        LocalCall(score("a", include_features=True)),
        LocalCall(pb.GetFeaturesRequest(user_id="a", as_of_unix_micros=NOW)),
        LocalCall(track("new", "1")),
        LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="b")], as_of_unix_micros=NOW)),
        LocalCall(pb.TrackEventsRequest(events=[an_event("another", "1")])),
        LocalCall(pb.ScoreVectorsRequest(vectors=[vector])),
    ]
    sent, send = [], server.link.send
    server.link.send = lambda payload, replies, *rest, **options: (
        sent.append((payload.split(b"\r\n", 3)[2], replies)),
        send(payload, replies, *rest, **options),
    )
    server.run(*calls)
    assert sent == [(b"GET", 5), (b"EVALSHA", 2)]
    first, features, _, batch, results, vectors = [call.response for call in calls]
    assert features.features == first.prediction.features == vector
    assert vectors.predictions[0].score == first.prediction.score
    assert not batch.predictions[0].cold_start
    assert [result.code for result in results.results] == [0]


def test_scores_made_together_are_those_made_one_by_one(server):
    users = [f"u{number}" for number in range(40)]
    for number, user in enumerate(users):
        server.run(*[LocalCall(track(user, f"{user}-{event}")) for event in range(number % 5)])
    requests = [score(user, include_features=True, model=model) for user in users for model in ("", "second")]
    together = [LocalCall(request) for request in requests]
    server.run(*together)
    assert [call.response for call in together] == [server.answer(request) for request in requests]


class Alternating(Models):
    """Two versions of one model, as while one replaces the other: every other call is routed to the second."""

    def __init__(self, first: Model, second: Model) -> None:
        super().__init__({first.name: Served(champion=first)}, first.name)
        self.next = itertools.cycle(Served(champion=version).route("") for version in (first, second))

    def route(self, _name: str, _user_id: str) -> Route:
        return next(self.next)


def test_there_is_one_run_for_each_model_version(store, tmp_path, monkeypatch):
    """Not for each name, and not for each call."""
    write_small_bundle(tmp_path, version="1", seed=0)
    write_small_bundle(tmp_path, version="2", seed=9)
    versions = [load_model(tmp_path / "conversion" / version) for version in "12"]
    runs, predict = [], Model.predict

    def noted(model: Model, rows):
        runs.append((model.version, len(rows)))
        return predict(model, rows)

    monkeypatch.setattr(Model, "predict", noted)
    with opened(store) as view, local_pipeline(view, Alternating(*versions)) as server:
        calls = [LocalCall(score(f"u{number}", include_features=True)) for number in range(20)]
        server.run(*calls)
    assert sorted(runs) == [("1", 10), ("2", 10)]
    scores = set()
    for model, call in zip(itertools.cycle(versions), calls, strict=False):
        prediction = call.response.prediction
        row = np.array([prediction.features.values], dtype=np.float32)
        assert (prediction.model_version, prediction.score) == (model.version, predict(model, row)[0])
        scores.add(prediction.score)
    assert len(scores) == 2, "expected the versions to differ"


def test_a_model_that_fails_fails_its_own_calls_alone(server, monkeypatch, caplog):
    broken, predict = server.models["second"], Model.predict

    def fails(model: Model, rows):
        if model is broken:
            raise RuntimeError("secret")
        return predict(model, rows)

    monkeypatch.setattr(Model, "predict", fails)
    values = [0.0] * len(broken.feature_set.features)
    calls = [
        LocalCall(score("a")),
        LocalCall(score("b", model="second")),
        LocalCall(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="c")], model="second")),
        LocalCall(pb.ScoreVectorsRequest(vectors=[prediction_pb2.FeatureVector(values=values)], model="second")),
        LocalCall(pb.TrackEventRequest(event=an_event("d", "1"), score=True, model="second")),
        LocalCall(track("e", "1")),
    ]
    server.run(*calls)
    assert [call.outcome for call in calls] == ["OK", *["INTERNAL"] * 4, "OK"]
    assert "secret" in caplog.text
    assert not [call for call in calls[1:5] if "secret" in call.status.message]


def test_a_row_that_fails_fails_its_own_call_alone(server, monkeypatch):
    """As a run with this row in it does, and every other row does not."""
    page_views, predict = CONVERSION.features.index("page_views"), Model.predict

    def fails(model: Model, rows):
        if (rows[:, page_views] == 3).any():
            raise FloatingPointError("secret")
        return predict(model, rows)

    visit(server, "a", "b")
    server.run(*[LocalCall(track("bad", f"{number}", event_time_unix_micros=NOW - 1)) for number in range(3)])
    expected = [server.answer(score(name)) for name in "ab"]
    monkeypatch.setattr(Model, "predict", fails)
    calls = [LocalCall(score(name)) for name in ("a", "bad", "b")]
    server.run(*calls)
    assert [call.outcome for call in calls] == ["OK", "INTERNAL", "OK"]
    assert [calls[0].response, calls[2].response] == expected


def test_a_state_whose_decoding_raises_is_an_unreadable_one(store, server, caplog):
    """The checksum is valid, and the value is nested so deeply that decoding it ends in a RecursionError."""
    visit(server, *[f"u{number}" for number in range(28)])
    deep_blob = nested(store.blob("u0"), 3_000)
    for name in ("deep", "deeper"):
        store.set_blob(name, deep_blob)
    calls = [LocalCall(score(f"u{number}")) for number in range(28)]
    targets = [pb.ScoreTarget(user_id=name) for name in ("u1", "deeper")]
    deep = [LocalCall(score("deep")), LocalCall(pb.ScoreBatchRequest(targets=targets))]
    features = LocalCall(pb.GetFeaturesRequest(user_id="deep"))
    server.run(*calls[:14], *deep, features, *calls[14:])
    assert Counter(call.outcome for call in [*calls, *deep]) == {"OK": 30}
    assert not [call for call in calls if call.response.prediction.cold_start]
    assert deep[0].response.prediction.degraded
    assert [one.degraded for one in deep[1].response.predictions] == [False, True]
    assert features.outcome == "DATA_LOSS"
    assert "Error" not in features.status.message
    assert "cannot be read, it is left as it is: state: it is nested too deeply" in caplog.text
    assert store.blob("deep") == deep_blob

    events = [LocalCall(track(name, "next")) for name in ("u1", "deep", "u2")]
    server.run(*events)
    assert [call.outcome for call in events] == ["OK"] * 3
    assert store.aside("deep") == [deep_blob]


def test_a_key_of_another_type_makes_its_visitors_score_degraded(store, server):
    store.redis.lpush(state_key("foreign"), "a list")
    calls = [LocalCall(score(name)) for name in ("a", "foreign")]
    server.run(*calls)
    assert [call.response.prediction.degraded for call in calls] == [False, True]
    store.redis.delete(state_key("foreign"))


def test_a_call_with_no_time_left_is_ended_at_once(server):
    late = LocalCall(score("u"), seconds=0.0005)
    server.turn(late)
    assert late.outcome == "DEADLINE_EXCEEDED"
    forever = LocalCall(score("u"), seconds=float("inf"))
    server.run(forever)
    assert forever.outcome == "OK"
    assert forever.deadline < time.monotonic() + 61, "expected the server's own limit"


def test_turns_are_due_soon_while_something_waits_and_seldom_when_idle(store, server):
    server.run(LocalCall(score("u")))
    while server.link.pending:
        server.turn()
    assert server.turn() == 0.5
    with store.frozen():
        call = LocalCall(score("u"))
        assert server.turn(call) < 0.01
    server.finish(call)


def test_events_with_thousands_of_items_are_applied(server):
    items = [event_pb2.Item(item_id=f"item-{number}", price=1.0) for number in range(2_000)]
    call = LocalCall(pb.TrackEventRequest(event=an_event("u", "1", items=items)))
    server.run(call)
    assert call.outcome == "OK"


def test_calls_are_counted_once_by_method_and_status(server):
    calls = [LocalCall(score("u")), LocalCall(score("")), LocalCall(b"\xff", "Score"), LocalCall(track("u", "1"))]
    server.run(*calls)
    counted = server.counted
    assert counted("grpc_server_handled_total", grpc_method="Score", grpc_code="OK") == 1
    assert counted("grpc_server_handled_total", grpc_method="Score", grpc_code="INVALID_ARGUMENT") == 2
    assert counted("grpc_server_handling_seconds_count", grpc_method="TrackEvent") == 1
    for stage in ("decode", "store", "featurize", "model", "encode"):
        assert counted("presage_stage_seconds_count", stage=stage) > 0
