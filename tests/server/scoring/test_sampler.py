"""The sample of served vectors: chosen by chance, never in the way of a score, and what is dropped is counted."""

from __future__ import annotations

import numpy as np
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer.event_log import ServedVector, decode_served_vector
from presage_server.errors import CommandRejectedError, StoreFullError, StoreUnavailableError, UnreadableStateError
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

    def log_entry(self, user_id, field, encoded, on_result) -> None:
        assert field == "vector"
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


class Clock:
    seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sampler(vectors, metrics, clock) -> Sampler:
    return Sampler(share=1.0, random=lambda: 0.0, writer=vectors, metrics=metrics, clock=clock)


@pytest.fixture
def job(models) -> ScoreJob:
    call = LocalCall(pb.ScoreRequest(user_id="visitor"))
    made = ScoreJob(call, "visitor", "tab", load_models(models)[""], 1_714_521_600_000_000, Stages(0.0), print)
    made.state = fold_all(STORY)
    made.rows = np.arange(40, dtype=np.float32).reshape(2, 20)
    made.row = 1
    made.score = 0.25
    return made


def counted(metrics: Metrics, outcome: str, reason: str = "") -> float | None:
    labels = {"outcome": outcome, "reason": reason}
    return metrics.registry.get_sample_value("presage_sampled_vectors_total", labels)


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
    assert counted(metrics, "logged") == 0
    vectors.answer()
    assert counted(metrics, "logged") == 1
    assert [counted(metrics, "dropped", reason) for reason in ("backlog", "rejected", "unavailable")] == [0, 0, 0]


def test_a_visitor_without_history_has_no_last_event(sampler, vectors, job):
    job.state = None
    sampler.offer(job)
    assert decode_served_vector(vectors.taken[0][1]).last_event == b""


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (StoreUnavailableError("try again"), "unavailable", "the store does not answer, or is not ready for writes"),
        (CommandRejectedError("the log says why"), "rejected", "the store rejects them, for the reason logged before"),
        (UnreadableStateError("of another type"), "rejected", "the store rejects them, for the reason logged before"),
        (StoreFullError("more"), "rejected", "the store is out of memory"),
    ],
)
def test_vectors_that_the_store_does_not_take_are_one_line_and_counted_by_reason(
    sampler, vectors, metrics, job, *, clock, caplog, error, reason, text
):
    for outcome in (None, error, None, error):
        for _ in range(5):
            sampler.offer(job)
        vectors.answer(outcome)
        clock.seconds += 0.4
    # A store at its limit takes some and not others: still the same outage.
    assert lines(caplog) == [f"sampled vectors are dropped: {text}"]
    assert (counted(metrics, "logged"), counted(metrics, "dropped", reason)) == (10, 10)

    clock.seconds += 1.0
    sampler.offer(job)
    vectors.answer()
    sampler.offer(job)
    vectors.answer(error)
    assert lines(caplog)[1:] == [
        "sampled vectors are logged again: 10 were dropped in 1 s",
        f"sampled vectors are dropped: {text}",
    ]


def test_a_store_that_hangs_costs_vectors_not_memory(sampler, vectors, metrics, job, *, clock, caplog):
    for _ in range(3_000):
        sampler.offer(job)
    assert counted(metrics, "dropped", "backlog") == 2_000
    assert len(vectors.taken) == 1_000
    assert lines(caplog) == ["sampled vectors are dropped: 1,000 of them wait for a store that is too slow"]

    clock.seconds += 2.0
    vectors.answer()
    sampler.offer(job)
    vectors.answer()
    assert counted(metrics, "logged") == 1_001
    assert lines(caplog)[1:] == ["sampled vectors are logged again: 2,000 were dropped in 0 s"]


def test_each_reason_of_an_outage_has_its_line(sampler, vectors, metrics, job, caplog):
    for _ in range(1_001):
        sampler.offer(job)
    vectors.answer(StoreUnavailableError("try again"))

    assert lines(caplog) == [
        "sampled vectors are dropped: 1,000 of them wait for a store that is too slow",
        "sampled vectors are dropped: the store does not answer, or is not ready for writes",
    ]
    assert counted(metrics, "dropped", "unavailable") == 1_000
    assert counted(metrics, "dropped", "backlog") == 1


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]
