"""The six calls over real gRPC, against what the featurizer and the original models say."""

from __future__ import annotations

import numpy as np
import pytest

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_export.bundle.link import apply_link
from presage_featurizer import CONVERSION, CORE, FeatureSet, State, decode_state, featurize
from presage_server.store.snapshot import REVISION_BYTES
from support.bundles import PARIS, train_small
from support.export_models import margins_of
from support.running_server import an_event, serving

NOW = 1_700_000_000_000_000
pb = scoring_service_pb2


def visit(user_id: str = "u") -> list[event_pb2.Event]:
    """Make a short visit: two views and something in the cart."""
    shoe = event_pb2.Item(item_id="shoe", category="shoes", brand="acme", price=80.0)
    kinds = (event_pb2.EVENT_TYPE_PAGE_VIEW, event_pb2.EVENT_TYPE_VIEW_ITEM, event_pb2.EVENT_TYPE_ADD_TO_CART)
    return [
        an_event(
            user_id,
            f"{user_id}-{number}",
            type=kind,
            items=[shoe],
            country="GB",
            device=event_pb2.DEVICE_MOBILE,
            event_time_unix_micros=NOW + number * 60_000_000,
        )
        for number, kind in enumerate(kinds)
    ]


async def visited(served, user_id: str = "u") -> None:
    response = await served.stub.TrackEvents(pb.TrackEventsRequest(events=visit(user_id)))
    assert [result.code for result in response.results] == [0, 0, 0]


def stored_state(store, user_id: str) -> State:
    return decode_state(store.blob(user_id)[REVISION_BYTES:])


def original_score(feature_set: FeatureSet, seed: int, vector) -> float:
    """Score with LightGBM itself."""
    (margin,) = margins_of(train_small(feature_set, seed=seed), np.array([vector], dtype=np.float64))
    return apply_link("logit", margin)


@pytest.mark.parametrize(("model", "feature_set", "seed"), [("", CONVERSION, 0), ("second", PARIS, 5)])
async def test_score_is_the_original_models_word_on_the_featurizers_vector(store, served, model, feature_set, seed):
    await visited(served)
    as_of = NOW + 600_000_000
    request = pb.ScoreRequest(user_id="u", model=model, as_of_unix_micros=as_of, include_features=True)
    prediction = (await served.stub.Score(request)).prediction
    vector = featurize(stored_state(store, "u"), as_of, feature_set)
    expected_model = ("second", "2") if model else ("conversion", "1")
    assert expected_model == (prediction.model, prediction.model_version)
    assert list(prediction.features.names) == list(feature_set.features)
    assert prediction.features.feature_set == feature_set.name
    np.testing.assert_array_equal(np.array(prediction.features.values, dtype=np.float32), vector)
    assert prediction.score == pytest.approx(original_score(feature_set, seed, vector), abs=1e-6)
    assert (prediction.cold_start, prediction.degraded) == (False, False)


async def test_what_a_visitor_does_moves_the_score(served):
    before = (await served.stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW))).prediction
    await visited(served)
    after = (await served.stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW + 200_000_000))).prediction
    assert (before.cold_start, after.cold_start) == (True, False)
    assert before.score != after.score


@pytest.mark.parametrize(
    ("minutes", "session_id", "no_session"),
    [(10, "", False), (10, "another", True), (90, "", True), (60 * 24 * 40, "", True)],
    ids=["open", "another", "idle", "long ago"],
)
async def test_scores_and_features_say_whether_a_session_is_open(served, minutes, session_id, no_session):
    await visited(served)
    moment = {"session_id": session_id, "as_of_unix_micros": NOW + minutes * 60_000_000}
    for user_id, cold_start, expected in (("u", False, no_session), ("new", True, True)):
        score = (await served.stub.Score(pb.ScoreRequest(user_id=user_id, **moment))).prediction
        features = await served.stub.GetFeatures(pb.GetFeaturesRequest(user_id=user_id, **moment))
        for answer in (score, features):
            assert (answer.cold_start, answer.no_session) == (cold_start, expected)


async def test_features_and_timings_come_only_when_asked_for(served):
    plain = (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction
    assert (plain.HasField("features"), plain.HasField("timings")) == (False, False)
    timed = (await served.stub.Score(pb.ScoreRequest(user_id="u", include_timings=True))).prediction.timings
    stages = [timed.decode_micros, timed.store_micros, timed.featurize_micros, timed.model_micros]
    assert min(stages) > 0
    assert sum(stages) + timed.queue_micros == pytest.approx(timed.total_micros)


async def test_a_score_with_the_event_is_the_score_right_after_it(served):
    for event in visit():
        tracked = await served.stub.TrackEvent(
            pb.TrackEventRequest(event=event, score=True, include_features=True, include_timings=True)
        )
        request = pb.ScoreRequest(
            user_id="u", as_of_unix_micros=event.event_time_unix_micros, include_features=True, include_timings=True
        )
        scored = (await served.stub.Score(request)).prediction
        assert tracked.prediction.timings.total_micros > 0
        tracked.prediction.ClearField("timings")
        scored.ClearField("timings")
        assert tracked.prediction == scored
        assert not tracked.duplicate


async def test_a_duplicate_is_told_and_still_scored(store, served):
    event = visit()[0]
    request = pb.TrackEventRequest(event=event, score=True)
    first = await served.stub.TrackEvent(request)
    before = store.everything()
    second = await served.stub.TrackEvent(request)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.prediction == second.prediction
    assert before == store.everything()


async def test_no_prediction_without_asking(served):
    assert not (await served.stub.TrackEvent(pb.TrackEventRequest(event=visit()[0]))).HasField("prediction")


async def test_track_events_is_as_one_by_one(store, served):
    await visited(served, "batch")
    for event in visit("single"):
        event.event_id = event.event_id.replace("single", "batch")
        await served.stub.TrackEvent(pb.TrackEventRequest(event=event))
    assert stored_state(store, "batch") == stored_state(store, "single")


async def test_an_event_without_an_id_counts_every_time(store, served):
    event = an_event("u", "", event_time_unix_micros=NOW)
    response = await served.stub.TrackEvents(pb.TrackEventsRequest(events=[event, event]))
    assert [result.duplicate for result in response.results] == [False, False]
    assert stored_state(store, "u").sessions[0].event_count == 2


async def test_score_batch_is_as_one_by_one_in_the_order_of_the_targets(served):
    await visited(served, "a")
    await visited(served, "b")
    names = ["b", "nobody", "a", "b"]
    batch = pb.ScoreBatchRequest(
        targets=[pb.ScoreTarget(user_id=name) for name in names],
        model="second",
        as_of_unix_micros=NOW + 300_000_000,
        include_features=True,
    )
    singles = [
        pb.ScoreRequest(user_id=name, model="second", as_of_unix_micros=NOW + 300_000_000, include_features=True)
        for name in names
    ]
    expected = [(await served.stub.Score(single)).prediction for single in singles]
    assert expected == list((await served.stub.ScoreBatch(batch)).predictions)


async def test_empty_batches_are_answered_with_nothing(served):
    assert list((await served.stub.ScoreBatch(pb.ScoreBatchRequest())).predictions) == []
    assert list((await served.stub.TrackEvents(pb.TrackEventsRequest())).results) == []
    assert list((await served.stub.ScoreVectors(pb.ScoreVectorsRequest())).predictions) == []


async def test_score_vectors_says_what_score_says_of_the_same_vector(served):
    await visited(served)
    request = pb.ScoreRequest(user_id="u", as_of_unix_micros=NOW, include_features=True)
    prediction = (await served.stub.Score(request)).prediction
    zeros = prediction_pb2.FeatureVector(values=[0.0] * len(CONVERSION.features))
    response = await served.stub.ScoreVectors(pb.ScoreVectorsRequest(vectors=[zeros, prediction.features]))
    assert response.predictions[1].score == prediction.score
    assert response.predictions[0].score == pytest.approx(original_score(CONVERSION, 0, zeros.values), abs=1e-6)


async def test_get_features_is_what_score_uses_by_every_name_of_a_set(store, served):
    await visited(served)
    as_of = NOW + 200_000_000
    scored = (
        await served.stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=as_of, include_features=True))
    ).prediction
    request = pb.GetFeaturesRequest(user_id="u", as_of_unix_micros=as_of)
    assert (await served.stub.GetFeatures(request)).features == scored.features
    for feature_set in (CONVERSION, CORE, PARIS):
        request.feature_set = feature_set.name
        features = (await served.stub.GetFeatures(request)).features
        assert (features.feature_set, tuple(features.names)) == (feature_set.name, feature_set.features)
        expected = featurize(stored_state(store, "u"), as_of, feature_set)
        np.testing.assert_array_equal(np.array(features.values, dtype=np.float32), expected)


async def test_a_named_session_is_scored_by_its_own_features(served):
    for number, session_id in enumerate(("one", "one", "two")):
        event = an_event("u", str(number), session_id=session_id, event_time_unix_micros=NOW + number)
        await served.stub.TrackEvent(pb.TrackEventRequest(event=event))

    async def page_views(session_id: str) -> float:
        request = pb.GetFeaturesRequest(user_id="u", session_id=session_id, as_of_unix_micros=NOW + 10)
        features = (await served.stub.GetFeatures(request)).features
        return features.values[list(features.names).index("page_views")]

    assert [await page_views(session_id) for session_id in ("one", "two", "", "none")] == [2, 1, 1, 0]


async def test_the_default_model_can_be_another(store, models):
    async with serving(redis_url=store.url, models=models, default_model="second") as served:
        assert (await served.stub.Score(pb.ScoreRequest(user_id="u"))).prediction.model == "second"
        features = (await served.stub.GetFeatures(pb.GetFeaturesRequest(user_id="u"))).features
        assert features.feature_set == "paris"
