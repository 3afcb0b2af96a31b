from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from benchmarks.limit import answers
from benchmarks.limit.answers import MOST_DIFFERENCE, compare_scores, difference, score_requests
from benchmarks.rig.visitors import simulated_states, user_id
from presage.v1 import prediction_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import CONVERSION, featurize

NOW = 1_714_521_600_000_000


def prediction(score=0.25, *, values=(1.0, 2.0), **fields):
    features = prediction_pb2.FeatureVector(values=values)
    return prediction_pb2.Prediction(score=score, model="conversion", model_version="1", features=features, **fields)


def test_visitors_are_asked_for_at_moments_at_which_every_feature_has_different_values():
    states = simulated_states(NOW)
    asked = list(score_requests(states, NOW))
    of_visitors = {user_id(number): state for number, state in enumerate(states)}
    vectors = [
        featurize(of_visitors.get(question.user_id), question.as_of_unix_micros, session_id=question.session_id)
        for question in asked
    ]

    assert {question.user_id for question in asked} > set(of_visitors)
    assert [len(set(values)) > 1 for values in zip(*vectors, strict=True)] == [True] * len(CONVERSION.features)
    assert all(question.as_of_unix_micros and question.include_features for question in asked)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (prediction(), ""),
        (prediction(0.25 + MOST_DIFFERENCE / 2), ""),
        (prediction(0.25 + MOST_DIFFERENCE * 2), "score"),
        (prediction(0.25 - MOST_DIFFERENCE * 2), "score"),
        (prediction(float("nan")), "score"),
        (prediction(values=(1.0, 2.0000002)), "features"),
        (prediction(values=(1.0,)), "features"),
        (prediction(cold_start=True), "cold_start"),
        (prediction(degraded=True), "degraded"),
    ],
)
def test_a_difference_that_counts_is_named(other, field):
    assert difference(other, prediction()).partition(" ")[0] == field


class Service(scoring_service_pb2_grpc.ScoringServiceServicer):
    def __init__(self, odd_one=""):
        self.odd_one = odd_one

    def Score(self, request, _context):  # noqa: N802
        score = 0.75 if request.user_id == self.odd_one else 0.25
        return scoring_service_pb2.ScoreResponse(prediction=prediction(score))


@contextmanager
def served(service):
    server = grpc.server(ThreadPoolExecutor(1))
    scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_servers_that_answer_alike_are_told_apart_from_those_that_do_not(monkeypatch):
    monkeypatch.setattr(answers, "_KNOWN", 20)
    with served(Service()) as one, served(Service()) as same, served(Service(odd_one="nobody-3")) as other:
        assert compare_scores(one, same, NOW) == 20 * 6 + 10
        with pytest.raises(RuntimeError, match=r"nobody-3 at \d+: score 0\.25, Presage has 0\.75"):
            compare_scores(one, other, NOW)
