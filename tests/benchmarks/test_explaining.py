from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks import explaining
from benchmarks.explaining import main, shipped_bundle
from benchmarks.rig.figures import RoundFigures
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server
from presage_featurizer import CONVERSION


class Rig:
    now_unix_micros = 1_700_000_000_000_000

    def __init__(self, folder):
        self.folder = folder

    def write_calls(self, scenario):
        return Calls(scenario, ["/Method"])

    def start_store(self):
        return "unix:store"

    def start_presage(self, *_):
        return Server("here:1", 1, 1)


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """Puts outcomes in place of loads: Score's 99th percentile is that of the dict, alone and beside Explain."""
    p99_us = {"alone": 100.0, "beside": 100.0}
    beside = []

    @contextmanager
    def open_rig(_):
        yield Rig(tmp_path)

    def outcome(p99):
        latency = Latency(calls=100, p50_us=10.0, p90_us=20.0, p99_us=p99, p999_us=p99, max_us=p99)
        return Outcome(seconds=1.0, statuses={0: latency}, missed=0)

    @contextmanager
    def explanations(*_):
        beside.append(True)
        yield [RoundFigures.of(outcome(1.0), server_cpu_us=1.0)]
        beside.pop()

    def measure_once(*_):
        return RoundFigures.of(outcome(p99_us["beside" if beside else "alone"]), server_cpu_us=1.0)

    monkeypatch.setattr(explaining, "open_rig", open_rig)
    monkeypatch.setattr(explaining, "simulated_states", lambda _: [None] * 40)
    monkeypatch.setattr(explaining, "shipped_bundle", lambda *_: None)
    monkeypatch.setattr(explaining, "_explain_here", lambda *_: 75.0)
    monkeypatch.setattr(explaining, "_explaining", explanations)
    monkeypatch.setattr(explaining, "measure_once", measure_once)
    return p99_us


def test_score_is_compared_with_and_without_explanations(loads, capsys):
    assert main(["--rounds", "2"]) == 0
    printed = capsys.readouterr().out
    assert "one explanation by the shipped model, in this process: 75 µs" in printed
    assert "p99_us by that without: 1.000" in printed


def test_a_longer_99th_percentile_is_a_failure(loads, capsys):
    loads["beside"] = 120.0
    assert main(["--rounds", "2"]) == 1
    assert "p99_us: expected at most 1.1 times that without, got 1.20" in capsys.readouterr().out


def test_an_explanation_that_takes_too_long_is_a_failure(loads, monkeypatch, capsys):
    monkeypatch.setattr(explaining, "_explain_here", lambda *_: 2_001.0)
    assert main(["--rounds", "2"]) == 1
    assert "one explanation: expected at most 2,000 µs, got 2,001" in capsys.readouterr().out


def test_the_shipped_model_is_exported_with_what_explanations_need(tmp_path):
    random = np.random.default_rng(1)
    rows = np.floor(random.exponential(5.0, size=(64, len(CONVERSION.features)))).astype(np.float32)
    bundle = shipped_bundle(tmp_path, rows)
    assert bundle.explain(rows[0]).method == "tree_shap"
