from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.retraining import __main__ as program
from benchmarks.retraining.learning import Learning, Training, _signal_all, prepare
from benchmarks.rig.figures import RoundFigures
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server
from presage_export.registry import read_aliases
from presage_training.learning.counting import count_new_purchases
from presage_training.learning.state import LearnState

NOW = 1_767_571_200_000_000


def outcome(p99_us):
    latency = Latency(calls=100, p50_us=10.0, p90_us=20.0, p99_us=p99_us, p999_us=p99_us, max_us=p99_us)
    return Outcome(seconds=1.0, statuses={0: latency}, missed=0)


class Rig:
    now_unix_micros = NOW
    folder = Path()

    def write_calls(self, scenario):
        return Calls(Path(scenario), ["/Method"])

    def start_store(self):
        return "unix:store"

    def start_presage(self, *_):
        return Server("here:1", 1, 1)


class AnyLearning:
    def __init__(self):
        self.is_going_on = False
        self.registered = [Training(version="5", peak_mb=400.0)]

    @contextmanager
    def going_on(self):
        self.is_going_on = True
        yield
        self.is_going_on = False

    def trainings(self):
        return self.registered


@pytest.fixture
def learning(monkeypatch):
    """Puts outcomes in place of loads: beside learning, the 99th percentile is 1.2 times as long."""
    learning = AnyLearning()
    learning.ratio = 1.2

    @contextmanager
    def as_rig(*_, **__):
        yield Rig()

    @contextmanager
    def as_learning(*_, **__):
        yield learning

    def measure_once(*_):
        return RoundFigures.of(outcome(100.0 * (learning.ratio if learning.is_going_on else 1.0)), server_cpu_us=1.0)

    monkeypatch.setattr(program, "open_rig", as_rig)
    monkeypatch.setattr(program, "prepare", lambda *_, **__: (Path(), Path()))
    monkeypatch.setattr(program, "repeated_learning", as_learning)
    monkeypatch.setattr(program, "run_load", lambda *_, **__: outcome(1.0))
    monkeypatch.setattr(program, "measure_once", measure_once)
    return learning


def test_score_is_compared_with_and_without_retraining(learning, tmp_path, capsys):
    assert program.main(["--rounds", "2", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]

    found = [(one["server"], one["rate"], one["p99_us"], len(one["rounds"])) for one in figures]
    assert found == [
        ("alone", 1_000.0, 100.0, 2),
        ("retraining", 1_000.0, 120.0, 2),
        ("alone", 50.0, 100.0, 2),  # half of the 100 calls that are answered in a second at most
        ("retraining", 50.0, 120.0, 2),
    ]
    printed = capsys.readouterr().out
    assert printed.count("1.20") == 4  # p99 and p99.9, of both loads
    assert "versions that were trained and handed over: 1; their processes took at most 400 MB" in printed


def test_a_longer_99th_percentile_is_a_failure(learning, capsys):
    learning.ratio = 1.6
    assert program.main(["--rounds", "1"]) == 1
    assert "1,000/s: p99: expected at most 1.5 times that without retraining, got 1.60" in capsys.readouterr().out


def test_without_a_hand_over_nothing_was_shown(learning, capsys):
    learning.registered = []
    assert program.main(["--rounds", "1"]) == 1
    assert "no version was handed over" in capsys.readouterr().out


def test_there_is_an_archive_to_learn_from_and_a_model_to_beat(tmp_path):
    archive, models = prepare(tmp_path, visitors=200, now_unix_micros=NOW)

    assert count_new_purchases(archive, LearnState()).purchases > 5
    aliases = read_aliases(models / "conversion")
    assert (aliases.champion, aliases.prior, aliases.pairs_share, aliases.holdout_share) == ("3", "4", 0.0, 0.0)


def test_learning_goes_on_only_while_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.retraining.learning._SETTLE_SECONDS", 0.0)
    lines = tmp_path / "lines"
    lines.touch()
    code = "import subprocess, sys; subprocess.run([sys.executable, '-uc', sys.argv[1]])"
    count = 'import time\nwhile True: print(\'{"version": "5", "peak_mb": 1.0}\'); time.sleep(0.001)'
    with (
        lines.open("w") as written,
        subprocess.Popen([sys.executable, "-c", code, count], stdout=written, text=True) as process,
    ):
        try:
            learning = Learning(process, lines)
            with learning.going_on():
                while not learning.trainings():
                    time.sleep(0.01)
            before = learning.trainings()
            time.sleep(0.1)
            assert learning.trainings() == before
            with learning.going_on():
                while len(learning.trainings()) == len(before):
                    time.sleep(0.01)
        finally:
            _signal_all(process.pid, signal.SIGKILL)
