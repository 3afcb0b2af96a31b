"""Several versions of a model: who gets which, and what is logged of the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from presage.v1 import prediction_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_export.registry import Aliases, Arm, assign
from presage_featurizer import CONVERSION, CORE, FeatureSet, decode_event, featurize
from presage_featurizer.event_log import ServedVector
from presage_server.models.model import Model
from presage_server.scoring import pairing
from presage_server.store.keys import state_key
from support.archives import logged_vectors
from support.events import fold_all
from support.pipelines import LocalCall, LocalPipeline, an_event, local_pipeline, track
from support.stores import opened
from support.versions import serve_versions, write_versions

NOW = 1_700_000_000_000_000
SPLIT = {"challenger": "2", "challenger_share": 0.3, "salt": "spring", "holdout_share": 0.2, "prior": "4"}
VISITORS = [f"visitor-{number}" for number in range(120)]
SERVES = {Arm.CHAMPION: "1", Arm.CHALLENGER: "2", Arm.HOLDOUT: "4"}
WIDE = FeatureSet(name="wide", features=CORE.features, countries=("GB", "DE"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, Model]:
    return write_versions(tmp_path_factory.mktemp("versions"), feature_sets={"3": WIDE})


@pytest.fixture
def split(store, loaded) -> Iterator[LocalPipeline]:
    models = serve_versions(loaded, shadow="3", pairs_share=1.0, **SPLIT)
    with opened(store) as view, local_pipeline(view, models) as server:
        yield server


def score(user_id: str, **fields) -> pb.ScoreRequest:
    return pb.ScoreRequest(user_id=user_id, as_of_unix_micros=NOW, include_features=True, **fields)


def visit(server: LocalPipeline, *user_ids: str) -> None:
    for event, user_id in enumerate(user_ids * 2):
        server.answer(track(user_id, f"{event} of {user_id}", event_time_unix_micros=NOW - 10 + event // len(user_ids)))


def arm_of(user_id: str) -> Arm:
    return assign(Aliases(champion="1", **SPLIT), user_id).arm


def predictions(server: LocalPipeline) -> dict[str, list[prediction_pb2.Prediction]]:
    """What each kind of call says of each visitor."""
    found: dict[str, list[prediction_pb2.Prediction]] = {user_id: [] for user_id in VISITORS}
    calls = [LocalCall(score(user_id)) for user_id in VISITORS]
    server.run(*calls)
    batch = server.answer(
        pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=user_id) for user_id in VISITORS], as_of_unix_micros=NOW)
    )
    tracked = [
        LocalCall(
            pb.TrackEventRequest(event=an_event(user_id, f"now of {user_id}", event_time_unix_micros=NOW), score=True)
        )
        for user_id in VISITORS
    ]
    server.run(*tracked)
    for place, user_id in enumerate(VISITORS):
        found[user_id] += [calls[place].response.prediction, batch.predictions[place]]
        found[user_id].append(tracked[place].response.prediction)
    return found


def test_every_call_of_a_visitor_is_answered_by_the_version_of_their_arm(split):
    for _ in range(2):
        for user_id, answers in predictions(split).items():
            arm = arm_of(user_id)
            assert {answer.arm for answer in answers} == {arm}, user_id
            assert {answer.model_version for answer in answers} == {SERVES[arm]}, user_id
    split.settle()


def test_vectors_of_a_caller_are_scored_by_the_champion(split, loaded):
    values = [1.0] * len(CONVERSION.features)
    request = pb.ScoreVectorsRequest(vectors=[prediction_pb2.FeatureVector(values=values)])
    (prediction,) = split.answer(request).predictions

    assert (prediction.model_version, prediction.arm) == ("1", prediction_pb2.ARM_UNSPECIFIED)


def test_scores_have_no_arm_while_one_version_serves_everyone(store, loaded):
    with opened(store) as view, local_pipeline(view, serve_versions(loaded, shadow="2", pairs_share=0.0)) as server:
        prediction = server.answer(score("ann")).prediction

        assert (prediction.arm, prediction.prior) == (prediction_pb2.ARM_UNSPECIFIED, False)


def test_pairs_are_complete_and_of_the_same_state_at_the_same_moment(split, store, loaded):
    visit(split, *VISITORS[:30])
    answers = [split.answer(score(user_id)).prediction for user_id in VISITORS[:40]]  # ten of them are unknown
    split.settle()
    vectors = {vector.user_id: vector for vector in logged_vectors(store.redis).values()}

    assert len(vectors) == 40
    for user_id, answer in zip(VISITORS, answers, strict=False):
        vector = vectors[user_id]
        assert (vector.model_version, vector.score, vector.arm) == (answer.model_version, answer.score, answer.arm)
        assert vector.propensity == assign(Aliases(champion="1", **SPLIT), user_id).propensity
        others = dict(vector.others)
        assert set(others) == {"1", "2", "3"} - {answer.model_version}
        events = [decode_event(entry[b"event"]) for entry in store.stream(user_id) if b"event" in entry]
        mine = [event for event in events if event.user_id == user_id]
        state = fold_all(mine) if mine else None
        for version, other in others.items():
            row = featurize(state, NOW, loaded[version].feature_set)
            assert other == loaded[version].predict(row.reshape(1, -1))[0], (user_id, version)


def test_a_state_that_changes_before_its_pair_is_scored_is_the_old_one_in_the_pair(split, store, loaded):
    request = pb.TrackEventRequest(event=an_event("ann", "1", event_time_unix_micros=NOW), score=True)
    view = an_event("ann", "2", event_time_unix_micros=NOW + 1, type=4)
    # Two turns without a rest between them: the second event is folded in place into the state of the first score.
    calls = [LocalCall(request), LocalCall(pb.TrackEventRequest(event=view, score=True))]
    for call in calls:
        split.run(call)
    split.settle()
    entries = store.stream("ann")
    events = [decode_event(entry[b"event"]) for entry in entries if b"event" in entry]
    vectors = sorted(logged_vectors(store.redis).values(), key=lambda vector: vector.as_of_unix_micros)

    assert len(vectors) == 2
    for count, vector in enumerate(vectors, 1):
        row = featurize(fold_all(events[:count]), NOW + count - 1, WIDE)
        assert dict(vector.others)["3"] == loaded["3"].predict(row.reshape(1, -1))[0]


def test_other_versions_run_after_the_reply(split, monkeypatch):
    order, predict, answered = [], Model.predict, LocalCall.send_reply
    monkeypatch.setattr(Model, "predict", lambda model, rows: (order.append(model.version), predict(model, rows))[1])
    monkeypatch.setattr(
        LocalCall, "send_reply", lambda call, payload: (order.append("reply"), answered(call, payload))[1]
    )
    split.answer(score("ann"))
    split.settle()

    assert order[:2] == [SERVES[arm_of("ann")], "reply"]
    assert sorted(order[2:]) == sorted({"1", "2", "3"} - {order[0]})


def test_a_share_of_scores_is_paired(store, loaded, monkeypatch):
    draws = iter([0.05, 0.5, 0.09, 0.1] * 5)
    models = serve_versions(loaded, shadow="2", pairs_share=0.1)
    with opened(store) as view, local_pipeline(view, models) as server:
        monkeypatch.setattr(server.pairs, "_random", lambda: next(draws))
        for number in range(20):
            server.answer(score(f"u{number}"))
        server.settle()
        assert server.counted("presage_pairs_total", outcome="scored", reason="") == 10
    assert sorted(vector.user_id for vector in logged_vectors(store.redis).values()) == sorted(
        f"u{number}" for number in range(0, 20, 2)
    )


def test_pairs_that_do_not_keep_up_are_dropped_and_counted(split, monkeypatch):
    monkeypatch.setattr(pairing, "_MAX_WAITING", 8)
    calls = [LocalCall(score(f"u{number}")) for number in range(30)]
    monkeypatch.setattr(split.pairs, "work", lambda *_, **__: 1.0)
    split.run(*calls)
    monkeypatch.undo()
    split.settle()

    assert {call.outcome for call in calls} == {"OK"}
    assert split.counted("presage_pairs_total", outcome="dropped", reason="backlog") == 22
    assert split.counted("presage_pairs_total", outcome="scored", reason="") == 8


def test_a_version_that_fails_in_pairs_harms_nobody(split, store, loaded, monkeypatch, caplog):
    predict = Model.predict

    def fails(model, rows):
        if model.version == "3":
            raise RuntimeError("no tree")
        return predict(model, rows)

    monkeypatch.setattr(Model, "predict", fails)
    calls = [LocalCall(score(f"u{number}")) for number in range(20)]
    split.run(*calls)
    split.settle()

    assert {call.outcome for call in calls} == {"OK"}
    vectors: list[ServedVector] = list(logged_vectors(store.redis).values())
    assert len(vectors) == 20
    assert all("3" not in dict(vector.others) and len(vector.others) >= 1 for vector in vectors)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["model conversion version 3 cannot score visitors that another version serves: no tree"]
    labels = {"model": "conversion", "version": "3"}
    assert split.counted("presage_version_paired_errors_total", **labels) == 20


def test_a_version_whose_score_is_no_number_is_left_out_of_pairs(store, loaded, monkeypatch):
    predict = Model.predict
    monkeypatch.setattr(
        Model,
        "predict",
        lambda model, rows: [float("nan")] * len(rows) if model.version == "2" else predict(model, rows),
    )
    models = serve_versions(loaded, shadow="2", pairs_share=1.0)
    with opened(store) as view, local_pipeline(view, models) as server:
        server.answer(score("ann"))
        server.settle()
        assert server.counted("presage_version_paired_errors_total", model="conversion", version="2") == 1
    (vector,) = logged_vectors(store.redis).values()
    assert vector.others == ()


def test_scores_without_the_visitors_history_are_neither_logged_nor_paired(split, store):
    store.redis.set(state_key("ann"), b"garbage")
    prediction = split.answer(score("ann")).prediction
    split.settle()

    assert prediction.degraded
    assert logged_vectors(store.redis) == {}
    labels = {"version": prediction.model_version, "arm": arm_of("ann").name.lower()}
    assert split.counted("presage_version_degraded_total", model="conversion", **labels) == 1


def test_versions_are_counted_by_arm(split):
    calls = [LocalCall(score(user_id)) for user_id in VISITORS]
    split.run(*calls)
    split.settle()
    for arm, version in SERVES.items():
        labels = {"model": "conversion", "version": version, "arm": arm.name.lower()}
        of_arm = [call.response.prediction.score for call in calls if call.response.prediction.arm == arm]
        assert split.counted("presage_version_scores_total", **labels) == len(of_arm) > 0
        assert split.counted("presage_version_score_sum_total", **labels) == pytest.approx(np.sum(of_arm))
        assert split.counted("presage_version_errors_total", **labels) == 0


def test_a_version_that_is_not_loaded_any_more_has_no_series(split):
    split.run(*[LocalCall(score(user_id)) for user_id in VISITORS])
    split.settle()
    split.models.drop_challenger("conversion")
    split.guard.look(1e12)
    shown = {
        sample.labels["version"]
        for metric in split.metrics.registry.collect()
        if metric.name.startswith("presage_version")
        for sample in metric.samples
    }

    assert shown == {"1", "3", "4"}


def test_a_version_whose_features_fail_harms_nobody(split, store, monkeypatch):
    def fails(*_, **__):
        raise ZeroDivisionError("a feature")

    monkeypatch.setattr(pairing, "featurize", fails)
    calls = [LocalCall(score(f"u{number}")) for number in range(5)]
    split.run(*calls)
    split.settle()
    monkeypatch.undo()

    assert {call.outcome for call in calls} == {"OK"}
    vectors = list(logged_vectors(store.redis).values())
    assert len(vectors) == 5
    assert all("3" not in dict(vector.others) and vector.others for vector in vectors)
    labels = {"model": "conversion", "version": "3"}
    assert split.counted("presage_version_paired_errors_total", **labels) == 5
