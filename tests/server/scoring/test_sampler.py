"""The sample of served vectors: chosen by chance, never in the way of a score, and what is dropped is counted."""

from __future__ import annotations

import numpy as np
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer.event_log import ServedVector, decode_served_vector
from presage_server.errors import StoreUnavailableError
from presage_server.models.loading import load_models
from presage_server.scoring.jobs import ScoreJob
from presage_server.scoring.sampler import Sampler
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import Stages
from support.events import STORY, fold_all
from support.pipelines import LocalCall


class Store:
    """Takes vectors, and answers when the test says so."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.waiting = []

    def log_vector(self, user_id, encoded, on_result) -> None:
        self.taken.append((user_id, encoded))
        self.waiting.append(on_result)

    def answer(self, error=None) -> None:
        while self.waiting:
            self.waiting.pop(0)(error)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def vectors() -> Store:
    return Store()


@pytest.fixture
def sampler(vectors, metrics) -> Sampler:
    return Sampler(share=1.0, random=lambda: 0.0, writer=vectors, metrics=metrics)


@pytest.fixture
def job(models) -> ScoreJob:
    call = LocalCall(pb.ScoreRequest(user_id="visitor"))
    made = ScoreJob(call, "visitor", "tab", load_models(models)[""], 1_714_521_600_000_000, Stages(0.0), print)
    made.state = fold_all(STORY)
    made.rows = np.arange(40, dtype=np.float32).reshape(2, 20)
    made.row = 1
    made.score = 0.25
    return made


def counted(metrics: Metrics, outcome: str) -> float | None:
    return metrics.registry.get_sample_value("presage_sampled_vectors_total", {"outcome": outcome})


def test_the_share_is_drawn_by_chance(vectors, metrics):
    draws = iter([0.0, 0.09, 0.1, 0.99])
    sampler = Sampler(share=0.1, random=lambda: next(draws), writer=vectors, metrics=metrics)
    assert [sampler.draws() for _ in range(4)] == [True, True, False, False]


def test_a_vector_is_logged_with_what_is_needed_to_make_it_again(sampler, vectors, metrics, job):
    sampler.offer(job)
    ((user_id, encoded),) = vectors.taken
    assert user_id == "visitor"
    assert decode_served_vector(encoded) == ServedVector(
        user_id="visitor",
        session_id="tab",
        as_of_unix_micros=1_714_521_600_000_000,
        last_event=job.state.recent_events[-8:],
        model="conversion",
        model_version="1",
        fingerprint=job.model.bundle.manifest.feature_set.fingerprint,
        values=np.arange(20, 40, dtype="<f4").tobytes(),
        score=0.25,
    )
    assert (counted(metrics, "logged"), counted(metrics, "dropped")) == (0, 0)
    vectors.answer()
    assert (counted(metrics, "logged"), counted(metrics, "dropped")) == (1, 0)


def test_a_visitor_without_history_has_no_last_event(sampler, vectors, job):
    job.state = None
    sampler.offer(job)
    assert decode_served_vector(vectors.taken[0][1]).last_event == b""


def test_a_store_that_does_not_take_them_costs_vectors_and_one_line_for_each_outage(
    sampler, vectors, metrics, job, caplog
):
    for error in (None, StoreUnavailableError("away"), None, StoreUnavailableError("away")):
        for _ in range(5):
            sampler.offer(job)
        vectors.answer(error)
    assert (counted(metrics, "logged"), counted(metrics, "dropped")) == (10, 10)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["a sampled vector could not be logged: away"] * 2


def test_a_store_that_hangs_costs_vectors_not_memory(sampler, vectors, metrics, job):
    for _ in range(3_000):
        sampler.offer(job)
    assert counted(metrics, "dropped") == 2_000
    assert len(vectors.taken) == 1_000
    vectors.answer()
    sampler.offer(job)
    vectors.answer()
    assert counted(metrics, "logged") == 1_001
