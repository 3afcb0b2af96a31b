"""Every response that is encoded by hand is what protobuf reads, and byte by byte what it writes."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import prediction_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_export.registry import Arm
from presage_featurizer import CONVERSION, Event, EventType
from presage_server.call import Call
from presage_server.errors import InvalidRequestError, OverloadedError, RpcError
from presage_server.models.model import Model
from presage_server.models.served import Route
from presage_server.rpc.encoding import (
    DUPLICATE,
    encode_prediction,
    encode_rejection,
    encode_result,
    encode_scores,
    tag_prediction,
)
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.stages import Stages
from presage_server.tracking.jobs import EventJob
from support.pipelines import LocalCall

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
FLOATS32 = st.floats(width=32, allow_nan=False)


def a_bundle(kind: str) -> SimpleNamespace:
    """What a model reads of its bundle when it is made."""
    return SimpleNamespace(manifest=SimpleNamespace(data={"kind": kind}))


@st.composite
def scored(draw) -> ScoreJob:
    """A job as the scorer leaves it."""
    call = LocalCall(pb.ScoreRequest(user_id="u"))
    call.received = 100.0
    model = Model(draw(TEXTS), draw(TEXTS), a_bundle(draw(st.sampled_from(["prior", "log"]))), CONVERSION)
    stages = Stages(100.0 + draw(st.floats(0, 1)))
    ended = stages.started
    for stage in draw(st.lists(st.sampled_from(("decode", "store", "fold", "featurize", "model", "encode")))):
        ended += draw(st.floats(0, 0.1))
        stages.marks.append((stage, ended))
    job = ScoreJob(call, "u", "", model, 0, stages, lambda *_: None)
    job.score = draw(st.floats(allow_nan=False))
    if draw(st.booleans()):
        job.route = Route(model, draw(st.sampled_from(Arm)), 0.5)
    job.cold_start, job.degraded, job.no_session = (draw(st.booleans()) for _ in range(3))
    job.include_features, job.include_timings = draw(st.booleans()), draw(st.booleans())
    values = draw(st.lists(FLOATS32, min_size=20, max_size=20))
    job.rows, job.row = np.array([[0.0] * 20, values], dtype=np.float32), 1
    return job


def expected_prediction(job: ScoreJob) -> prediction_pb2.Prediction:
    prediction = prediction_pb2.Prediction(
        score=job.score,
        model=job.model.name,
        model_version=job.model.version,
        cold_start=job.cold_start,
        degraded=job.degraded,
        no_session=job.no_session,
        arm=job.route.arm if job.route else 0,
        prior=job.model.bundle.manifest.data["kind"] == "prior",
    )
    if job.include_features:
        prediction.features.feature_set = "conversion"
        prediction.features.names.extend(CONVERSION.features)
        prediction.features.values.extend(job.rows[1].tolist())
    if job.include_timings:
        seconds = job.stages.seconds()
        micros = {
            name: seconds.get(stage, 0.0) * 1e6
            for name, stage in (
                ("decode_micros", "decode"),
                ("featurize_micros", "featurize"),
                ("model_micros", "model"),
            )
        }
        prediction.timings.CopyFrom(
            prediction_pb2.Timings(
                queue_micros=(job.stages.started - 100.0) * 1e6,
                store_micros=(seconds.get("store", 0.0) + seconds.get("fold", 0.0)) * 1e6,
                total_micros=(job.stages.ended - 100.0) * 1e6,
                **micros,
            )
        )
    return prediction


def check(encoded: bytes, expected: Message, *, explicit_zero: bool = False) -> None:
    """Compare with what protobuf reads and writes; it leaves out a score of 0, which is written by hand all the same."""
    parsed = type(expected).FromString(encoded)
    assert parsed == expected
    assert parsed.SerializeToString() == expected.SerializeToString()
    if not explicit_zero:
        assert encoded == expected.SerializeToString()


def is_zero(score: float) -> bool:
    return struct.pack("<d", score) == bytes(8)


@given(job=scored())
def test_a_prediction_and_the_responses_with_one(job):
    prediction, encoded = expected_prediction(job), encode_prediction(job)
    zero = is_zero(job.score)
    check(encoded, prediction, explicit_zero=zero)
    check(tag_prediction(encoded), pb.ScoreResponse(prediction=prediction), explicit_zero=zero)
    tracked = pb.TrackEventResponse(prediction=prediction)
    check(tag_prediction(encoded, b"\x12"), tracked, explicit_zero=zero)
    tracked.duplicate = True
    check(DUPLICATE + tag_prediction(encoded, b"\x12"), tracked, explicit_zero=zero)
    assert type(job.call).__mro__[1] is Call


@given(jobs=st.lists(scored(), max_size=5))
def test_a_batch_of_predictions(jobs):
    response = pb.ScoreBatchResponse(predictions=[expected_prediction(job) for job in jobs])
    encoded = b"".join([tag_prediction(encode_prediction(job)) for job in jobs])
    check(encoded, response, explicit_zero=any(is_zero(job.score) for job in jobs))


@given(scores=st.lists(st.floats(allow_nan=False), max_size=20), name=TEXTS, version=TEXTS)
def test_the_scores_of_vectors(scores, name, version):
    model = Model(name, version, a_bundle("log"), CONVERSION)
    predictions = [prediction_pb2.Prediction(score=score, model=name, model_version=version) for score in scores]
    check(
        encode_scores(scores, model.encoded_name),
        pb.ScoreVectorsResponse(predictions=predictions),
        explicit_zero=any(map(is_zero, scores)),
    )


@given(outcomes=st.lists(st.one_of(st.booleans(), TEXTS), max_size=10))
def test_the_results_of_events(outcomes):
    """Each is a duplicate, or not, or rejected with a text."""
    results, encoded = [], b""
    for outcome in outcomes:
        error: RpcError | None = InvalidRequestError(outcome) if isinstance(outcome, str) else None
        job = EventJob(LocalCall(pb.TrackEventsRequest()), Event("e", EventType.LOGIN, "u", 1), Stages(0.0), print)
        job.duplicate = outcome is True
        encoded += encode_result(job, error)
        results.append(
            pb.TrackEventResult(duplicate=outcome is True)
            if error is None
            else pb.TrackEventResult(code=3, message=str(outcome))
        )
    check(encoded, pb.TrackEventsResponse(results=results))


@pytest.mark.parametrize("length", [0, 1, 100, 127, 128, 129, 16_383, 16_384, 2_097_152])
def test_lengths_of_one_to_four_bytes(length):
    error = OverloadedError("x" * length)
    expected = pb.TrackEventsResponse(results=[pb.TrackEventResult(code=8, message="x" * length)])
    check(encode_rejection(error), expected)
