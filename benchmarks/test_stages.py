"""Each stage of a call by itself, inside one process."""

from __future__ import annotations

from time import monotonic

import pytest

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_client._convert import event_to_proto
from presage_export.bundle.link import apply_link
from presage_featurizer import decode_needed, decode_state, encode_state, featurize, fold
from presage_server.rpc.decoding import (
    decode_as_of,
    decode_event,
    decode_message,
    decode_session_id,
    decode_user_id,
)
from presage_server.rpc.encoding import encode_prediction
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import STAGES, Stages
from presage_training.traffic.sending import client_event

pytestmark = pytest.mark.benchmark(group="stages, in the process", max_time=0.5)


def test_fold(benchmark, visitor):
    state = benchmark(fold, visitor.state, visitor.event)
    assert state.sessions[-1].product_views == visitor.state.sessions[-1].product_views + 1


def test_featurize(benchmark, visitor, model):
    vector = benchmark(featurize, visitor.state, visitor.now_unix_micros, model.feature_set)
    values = dict(zip(model.feature_set.features, vector.tolist(), strict=True))
    assert values["product_views"] == visitor.state.sessions[-1].product_views


def test_state_decode(benchmark, visitor):
    assert benchmark(decode_state, encode_state(visitor.state)) == visitor.state


def test_core_state_decode(benchmark, visitor, model):
    """What Score reads where the model needs no habits, as the shipped one."""
    assert not model.feature_set.needs
    core = benchmark(decode_needed, encode_state(visitor.state), model.feature_set.needs)
    assert featurize(core, visitor.now_unix_micros, model.feature_set).tolist() == (
        featurize(visitor.state, visitor.now_unix_micros, model.feature_set).tolist()
    )


def test_state_encode(benchmark, visitor):
    assert benchmark(encode_state, visitor.state) == encode_state(visitor.state)


def test_event_decode(benchmark, visitor):
    request = event_to_proto(client_event(visitor.event)).SerializeToString()

    def decode():
        return decode_event(event_pb2.Event.FromString(request), visitor.now_unix_micros, str)

    assert benchmark(decode) == visitor.event


def test_score_request_decode(benchmark, visitor):
    request = scoring_service_pb2.ScoreRequest(user_id=visitor.user_id, as_of_unix_micros=visitor.now_unix_micros)
    message = request.SerializeToString()

    def decode():
        request = decode_message(scoring_service_pb2.ScoreRequest, message)
        return (
            decode_user_id(request.user_id),
            decode_session_id(request.session_id),
            decode_as_of(request.as_of_unix_micros, 1),
        )

    assert benchmark(decode) == (visitor.user_id, "", visitor.now_unix_micros)


def test_onnx_one_row(benchmark, visitor, model):
    row = featurize(visitor.state, visitor.now_unix_micros, model.feature_set)[None]
    (margin,) = benchmark(model.bundle.model.margins, row)
    assert [apply_link(model.bundle.manifest.link, float(margin))] == model.bundle.scores(row)


def test_link(benchmark):
    assert benchmark(apply_link, "logit", 0.0) == 0.5


def test_prediction_encode(benchmark, visitor, model):
    job = ScoreJob(None, visitor.user_id, "", model, visitor.now_unix_micros, Stages(0.0), lambda *_: None)
    job.cold_start = False
    job.score = 0.25

    prediction = prediction_pb2.Prediction.FromString(benchmark(encode_prediction, job))
    assert (prediction.score, prediction.model) == (0.25, "conversion")


def test_stage_timings(benchmark):
    """What a batch pays for its timings and their histograms, always."""
    metrics = Metrics()

    def one_batch():
        stages = Stages(monotonic())
        for name in STAGES:
            stages.mark(name)
        metrics.observe_stages(stages, 16)

    benchmark(one_batch)
    assert all(sum(metrics.stages[name].counts) > 0 for name in STAGES)
