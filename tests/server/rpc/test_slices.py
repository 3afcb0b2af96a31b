"""Large requests in parts: whatever the sizes of the parts, the response is that of the whole."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import prediction_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import Event, EventType
from presage_server.errors import InvalidRequestError, ModelNotFoundError
from presage_server.models.loading import load_models
from presage_server.pipeline.batch import Batch
from presage_server.rpc.slices import EventSlices, ScoreSlices, VectorSlices
from support.pipelines import LocalCall, an_event

PARTS = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def served(models):
    return load_models(models)


def batches(slices, parts) -> list[Batch]:
    """Decode a request in parts of these sizes, over and over."""
    made = []
    while True:
        batch = Batch(0.0)
        made.append(batch)
        if not slices.add_to(batch, parts[(len(made) - 1) % len(parts)]):
            return made


@given(count=st.integers(0, 120), parts=PARTS, order=st.randoms())
def test_predictions_are_in_the_order_of_the_targets_whichever_is_made_first(served, count, parts, order):
    request = pb.ScoreBatchRequest(
        targets=[pb.ScoreTarget(user_id=f"u{number}", session_id=f"s{number}") for number in range(count)]
    )
    call = LocalCall(request)
    made = batches(ScoreSlices(call, request, served, 7), parts)
    assert all(len(batch.scores) <= part for batch, part in zip(made, parts * 200, strict=False))
    jobs = [job for batch in made for job in batch.scores]
    assert [(job.user_id, job.session_id, job.now_unix_micros) for job in jobs] == [
        (f"u{number}", f"s{number}", 7) for number in range(count)
    ]
    for number, job in enumerate(jobs):
        job.score = float(number + 1)
    order.shuffle(jobs)
    for job in jobs:
        assert call.code is None
        job.respond(job, None)
    assert [prediction.score for prediction in call.response.predictions] == [number + 1.0 for number in range(count)]


def test_one_target_that_fails_fails_the_call(served):
    request = pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id=name) for name in "abc"])
    call = LocalCall(request)
    (batch,) = batches(ScoreSlices(call, request, served, 7), [10])
    batch.scores[1].respond(batch.scores[1], ModelNotFoundError("no"))
    for job in (batch.scores[0], batch.scores[2]):
        job.respond(job, None)
    assert call.outcome == "NOT_FOUND"
    wrong = pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="a"), pb.ScoreTarget()])
    with pytest.raises(InvalidRequestError, match=r"targets\[1\].user_id"):
        ScoreSlices(LocalCall(wrong), wrong, served, 7)


def decode(message, field: str, _visitors: Counter[str]) -> Event:
    if not message.user_id:
        raise InvalidRequestError("expected an id", field=field)
    return Event(message.event_id, EventType.PAGE_VIEW, message.user_id, 1)


@given(
    events=st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60),
    parts=PARTS,
    order=st.randoms(),
)
def test_each_event_has_its_result_in_the_order_of_the_events(events, parts, order):
    """Events that are rejected at once stand among those that are stored later; items are work, too."""
    messages = [
        an_event("u" if valid else "", str(number), items=[{"item_id": "i"}] * items)
        for number, (valid, items) in enumerate(events)
    ]
    request = pb.TrackEventsRequest(events=messages)
    call = LocalCall(request)
    made = batches(EventSlices(call, request, decode), parts)
    jobs = [job for batch in made for job in batch.events]
    assert [job.event.event_id for job in jobs] == [str(number) for number, (valid, _) in enumerate(events) if valid]
    order.shuffle(jobs)
    for job in jobs:
        job.duplicate = int(job.event.event_id) % 3 == 0
        job.respond(job, None)
    results = call.response.results
    assert [result.code for result in results] == [0 if valid else 3 for valid, _ in events]
    assert [result.message for result in results if result.code] == [
        f"events[{number}]: expected an id" for number, (valid, _) in enumerate(events) if not valid
    ]
    assert [result.duplicate for result in results] == [
        valid and number % 3 == 0 for number, (valid, _) in enumerate(events)
    ]


def test_a_part_of_events_is_about_as_much_work_as_wanted():
    request = pb.TrackEventsRequest(events=[an_event("u", str(number)) for number in range(100)])
    made = batches(EventSlices(LocalCall(request), request, decode), [32])
    assert [len(batch.events) for batch in made] == [16] * 6 + [4]
    heavy = pb.TrackEventsRequest(events=[an_event("u", "1", items=[{"item_id": "i"}] * 2_000)] * 5)
    made = batches(EventSlices(LocalCall(heavy), heavy, decode), [32])
    assert [len(batch.events) for batch in made] == [1] * 5


@given(count=st.integers(0, 150), parts=PARTS)
def test_scores_of_vectors_are_in_their_order(served, count, parts):
    vectors = [prediction_pb2.FeatureVector(values=[float(number)] * 20) for number in range(count)]
    request = pb.ScoreVectorsRequest(vectors=vectors)
    call = LocalCall(request)
    slices = VectorSlices(call, request, served)
    while True:
        batch = Batch(0.0)
        rest = slices.add_to(batch, parts[0])
        for job in batch.vectors:  # each part is scored before the next one is decoded
            assert len(job.rows) <= 4 * parts[0]
            job.respond(job, [float(row[0]) + 1 for row in job.rows])
        if not rest:
            break
    assert [prediction.score for prediction in call.response.predictions] == [number + 1.0 for number in range(count)]
    assert {prediction.model for prediction in call.response.predictions} <= {"conversion"}


def test_a_wrong_vector_is_named_by_its_place_in_the_request(served):
    vectors = [prediction_pb2.FeatureVector(values=[0.0] * (20 if number < 9 else 19)) for number in range(10)]
    slices = VectorSlices(LocalCall(pb.ScoreVectorsRequest()), pb.ScoreVectorsRequest(vectors=vectors), served)
    assert slices.add_to(Batch(0.0), 2)
    with pytest.raises(InvalidRequestError, match=r"vectors\[9\]"):
        slices.add_to(Batch(0.0), 2)
