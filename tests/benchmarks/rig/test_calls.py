from __future__ import annotations

import struct
from itertools import islice
from random import Random

import pytest

from benchmarks.rig import visitors
from benchmarks.rig.calls import _FILE_CALLS, SCENARIOS, write_calls
from presage.v1 import scoring_service_pb2
from presage_featurizer import CONVERSION

NOW = 1_714_521_600_000_000
METHODS = {
    "score": ["Score"],
    "track": ["TrackEvent"],
    "track_score": ["TrackEvent"],
    "track_events_500": ["TrackEvents"],
    "score_batch_100": ["ScoreBatch"],
    "score_batch_1000": ["ScoreBatch"],
    "score_vectors_1": ["ScoreVectors"],
    "score_vectors_100": ["ScoreVectors"],
    "mixed_1_4": ["TrackEvent", "Score"],
}


@pytest.fixture(autouse=True)
def _few_simulated_visitors(monkeypatch):
    monkeypatch.setattr(visitors, "_SIMULATED", 20)


def written(scenario, tmp_path, *, count=500, seed=1):
    """The first calls of a file as (method, request), and the paths."""
    file = tmp_path / f"{scenario}-{seed}"
    calls = write_calls(scenario, file, visitors=50, now_unix_micros=NOW, seed=seed)
    assert calls.file == file
    return list(islice(unpacked(file.read_bytes(), calls.paths), count)), calls.paths


def unpacked(data, paths):
    while data:
        path, length = struct.unpack_from("<BI", data)
        method = paths[path].rpartition("/")[2]
        yield method, getattr(scoring_service_pb2, f"{method}Request").FromString(data[5 : 5 + length])
        data = data[5 + length :]


def test_every_scenario_is_looked_at():
    assert METHODS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("scenario", METHODS)
def test_a_file_holds_calls_of_the_scenarios_methods(scenario, tmp_path):
    calls, paths = written(scenario, tmp_path)

    assert paths == [f"/presage.v1.ScoringService/{method}" for method in METHODS[scenario]]
    assert {method for method, _ in calls} == set(METHODS[scenario])
    assert len(calls) == min(_FILE_CALLS.get(scenario, 500), 500)


@pytest.mark.parametrize("scenario", ["score", "track", "mixed_1_4"])
def test_calls_are_spread_over_the_visitors_and_no_others(scenario, tmp_path):
    calls, _ = written(scenario, tmp_path, count=2_000)
    ids = {request.event.user_id if method == "TrackEvent" else request.user_id for method, request in calls}

    assert ids == {visitors.user_id(number) for number in range(50)}


def test_a_seed_decides_the_order(tmp_path):
    first, _ = written("score", tmp_path)
    again, _ = written("score", tmp_path)
    other, _ = written("score", tmp_path, seed=2)

    assert first == again != other


def test_an_event_sent_twice_is_no_duplicate(tmp_path):
    calls, _ = written("track", tmp_path)

    assert {request.event.event_id for _, request in calls} == {""}


@pytest.mark.parametrize(("scenario", "score"), [("track", False), ("track_score", True)])
def test_a_score_comes_with_an_event_where_the_name_says_so(scenario, score, tmp_path):
    calls, _ = written(scenario, tmp_path)

    assert {request.score for _, request in calls} == {score}


def test_four_scores_follow_each_event_of_the_mix(tmp_path):
    calls, _ = written("mixed_1_4", tmp_path)

    assert [method for method, _ in calls[:10]] == ["TrackEvent", *["Score"] * 4] * 2


@pytest.mark.parametrize(("scenario", "count"), [("score_vectors_1", 1), ("score_vectors_100", 100)])
def test_vectors_are_those_of_simulated_visitors(scenario, count):
    _, data = next(SCENARIOS[scenario](Random(1), 50, NOW))
    request = scoring_service_pb2.ScoreVectorsRequest.FromString(data)

    assert [len(vector.values) for vector in request.vectors] == [len(CONVERSION.features)] * count
    assert any(any(vector.values) for vector in request.vectors)


@pytest.mark.parametrize(
    ("scenario", "field", "count"),
    [("score_batch_100", "targets", 100), ("score_batch_1000", "targets", 1_000), ("track_events_500", "events", 500)],
)
def test_large_calls_have_the_size_of_their_name(scenario, field, count, tmp_path):
    calls, _ = written(scenario, tmp_path)

    assert {len(getattr(request, field)) for _, request in calls} == {count}
