from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from benchmarks import neighbours
from benchmarks.neighbours import main
from benchmarks.rig.figures import RoundFigures
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server

SERVER = Server("here:1", 1, 1)


class Rig:
    def write_calls(self, scenario):
        return Calls(scenario, ["/Method"])


def outcome(p99_us):
    latency = Latency(calls=100, p50_us=10.0, p90_us=20.0, p99_us=p99_us, p999_us=p99_us, max_us=p99_us)
    return Outcome(seconds=1.0, statuses={0: latency}, missed=0)


@pytest.fixture
def loaded(monkeypatch):
    """Puts outcomes in place of loads: Score is slower by a half for each kind of large calls in flight."""
    large = []

    @contextmanager
    def open_rig(_):
        yield Rig()

    def measure_once(server, calls, shape, _seconds):
        assert (server, calls.file, shape.in_flight or shape.rate) == (SERVER, "score", 16)
        return RoundFigures.of(outcome(100.0))

    def run_load(address, calls, **options):
        large.append((address, calls.file, options.get("in_flight") or options["rate"]))
        return outcome(1_000.0)

    monkeypatch.setattr(neighbours, "open_rig", open_rig)

    def start(given, rig, calls):
        if "Rank" in given.background:
            calls["rank_100"] = Calls("rank_100", ["/Rank"])
        return {"this checkout": SERVER}

    monkeypatch.setattr(neighbours, "_start", start)
    monkeypatch.setattr(neighbours, "measure_once", measure_once)
    monkeypatch.setattr(neighbours, "run_load", run_load)
    return large


def test_score_is_measured_alone_and_beside_each_kind_of_large_calls(loaded, tmp_path, capsys):
    assert main(["--rounds", "2", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert [(one["scenario"], one["in_flight"], len(one["rounds"])) for one in figures] == [
        ("score", 16, 2),
        ("score (ScoreBatch)", 16, 2),
        ("score_batch_1000 (ScoreBatch)", 4, 2),
        ("score (TrackEvents)", 16, 2),
        ("track_events_500 (TrackEvents)", 4, 2),
        ("score (both)", 16, 2),
        ("score_batch_1000 (both)", 4, 2),
        ("track_events_500 (both)", 4, 2),
        ("score (Rank)", 16, 2),
        ("rank_100 (Rank)", 0, 2),
    ]
    assert [load for load in sorted(loaded) if load[1] != "rank_100"] == [
        *[("here:1", "score_batch_1000", 4)] * 4,
        *[("here:1", "track_events_500", 4)] * 4,
    ]
    assert capsys.readouterr().out.count("1.00") >= 9


def test_rankings_are_made_at_half_of_the_rate_at_which_the_server_answers_them(loaded):
    """Each of the loads above answers 100 calls in a second."""
    assert main(["--rounds", "2", "--rate", "16", "--background", "alone", "Rank"]) == 0

    saturating, *beside = loaded
    assert saturating == ("here:1", "rank_100", 16)
    assert beside == [("here:1", "rank_100", 50.0)] * 2


def test_large_calls_that_cannot_be_made_are_a_failure(loaded, monkeypatch, capsys):
    def run_load(*_, **__):
        raise RuntimeError("the server closed the connection")

    monkeypatch.setattr(neighbours, "run_load", run_load)

    assert main(["--rounds", "1"]) == 1
    assert capsys.readouterr().out == "bench-neighbours: the server closed the connection\n"
