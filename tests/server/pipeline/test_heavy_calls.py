"""Rankings beside other calls: queued on their own, few at a time, and rejected without anything else being rejected."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage.v1 import scoring_service_pb2
from presage_server.models.loading import load_models
from presage_server.pipeline import intake
from presage_server.pipeline.overload import OverloadPolicy
from support.bundles import write_small_bundle
from support.pipelines import LocalCall, local_pipeline
from support.rankings import a_shop, item_id, write_ranking_bundle
from support.stores import opened

IDS = [item_id(number) for number in range(100)]


@pytest.fixture(scope="module")
def both_models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    write_small_bundle(directory)
    write_ranking_bundle(directory)
    return load_models(directory)


@pytest.fixture
def view(store):
    with opened(store) as one:
        yield one


@pytest.fixture
def server(view, both_models):
    with local_pipeline(view, both_models, items=a_shop().columns) as local:
        yield local


def rank(seconds: float = 60.0, peer: str = "one") -> LocalCall:
    return LocalCall(pb.RankRequest(user_id="u", candidate_ids=IDS, k=5), seconds=seconds, peer=peer)


def score() -> LocalCall:
    return LocalCall(scoring_service_pb2.ScoreRequest(user_id="u"), seconds=60.0)


class Costly(OverloadPolicy):
    """Each unit of work takes this much processor time, whatever it takes here."""

    def __init__(self, unit_seconds: float) -> None:
        super().__init__(processor_clock=lambda: 0.0)
        self._unit_seconds = unit_seconds


def test_scores_are_answered_before_the_rankings_of_their_batch_and_those_that_wait(server, monkeypatch):
    monkeypatch.setattr(intake, "_MOMENT_SECONDS", 60.0)
    ranks = [rank() for _ in range(10)]
    server.turn(*ranks[:5])
    scores = [score() for _ in range(20)]
    ended = [sum(call.code is not None for call in ranks)]
    server.turn(*scores, *ranks[5:])
    while any(call.code is None for call in ranks):
        ended.append(sum(call.code is not None for call in ranks))
        if ended[-1] < 9:
            scores_ended = all(call.code is not None for call in scores)
        server.turn()
    assert scores_ended, "they are not the last ones"
    assert max(np.diff(ended)) <= 1, "each turn works on one ranking while there are small calls"
    server.finish(*scores)
    assert Counter(call.outcome for call in ranks + scores) == {"OK": 30}


def test_a_stream_of_scores_does_not_keep_rankings_from_their_turn(server):
    ranks = [rank() for _ in range(5)]
    server.turn(*ranks)
    until = time.monotonic() + 60
    while any(call.code is None for call in ranks):
        assert time.monotonic() < until
        server.run(score())


def test_rankings_that_could_not_be_answered_in_time_are_rejected_and_scores_are_not(view, both_models):
    with local_pipeline(view, both_models, overload=Costly(0.002), items=a_shop().columns) as server:
        ranks = [rank(seconds=1.0) for _ in range(100)]
        scores = [score() for _ in range(50)]
        server.turn(*ranks, *scores)
        rejected = [call for call in ranks if call.outcome == "RESOURCE_EXHAUSTED"]
        assert 60 < len(rejected) < 95
        server.finish(*ranks, *scores)
        assert Counter(call.outcome for call in scores) == {"OK": 50}


@pytest.mark.parametrize("in_flight", [16, 64, 200])
def test_no_ranking_of_a_closed_loop_is_rejected(server, in_flight):
    calls = [rank(seconds=10.0, peer=str(n % 8)) for n in range(in_flight)]
    ended: Counter[str] = Counter()
    server.turn(*calls)
    while ended.total() < 800:
        done = [call for call in calls if call.code is not None]
        ended.update(call.outcome for call in done)
        again = [rank(seconds=10.0, peer=str(n % 8)) for n in range(len(done))]
        calls = [call for call in calls if call.code is None] + again
        server.turn(*again)
    server.finish(*calls)
    assert set(ended) == {"OK"}


def test_a_ranking_whose_time_is_over_or_whose_caller_left_costs_nothing(server):
    calls = [rank() for _ in range(20)]
    server.turn(*calls)
    calls[18].end(1)
    calls[19].deadline = 0.0
    server.finish(*calls)
    assert calls[19].outcome == "DEADLINE_EXCEEDED"
    assert Counter(call.outcome for call in calls)["OK"] == 18


def test_one_broken_ranking_fails_alone(server, monkeypatch):
    model = server.models.ranking("")
    scores = type(model).scores

    def fail_for_some(self, rows):
        if len(rows) != 100:
            raise ValueError("secret")
        return scores(self, rows)

    monkeypatch.setattr(type(model), "scores", fail_for_some)
    broken = LocalCall(pb.RankRequest(user_id="u", candidate_ids=IDS[:7]))
    well = [rank() for _ in range(4)]
    server.run(*well[:2], broken, *well[2:])
    assert broken.outcome == "INTERNAL"
    assert "secret" not in broken.status.message
    assert [call.outcome for call in well] == ["OK"] * 4
