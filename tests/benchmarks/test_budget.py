from __future__ import annotations

import json

import pytest

from benchmarks import budget
from benchmarks.budget import Limit, broken, limits_of, main
from benchmarks.rig.command import FAILED, MISSING, MissingRequirementError

LIMITS = {
    "native.calls_per_second": Limit(ratio=0.5, lowest=0.45, highest=0.55, tolerance=0.2),
    "native.p99": Limit(ratio=2.0, lowest=1.9, highest=2.1, tolerance=0.1),
}
FINE = {"native.calls_per_second": 0.5, "native.p99": 2.0}


@pytest.fixture
def measured(monkeypatch):
    """Puts a ratio for each round in place of the loads; an echo's figure is 10."""

    def stand_in(**ratios):
        rounds = [(name.replace("__", "."), 10 * ratio, 10.0) for name, some in ratios.items() for ratio in some]
        monkeypatch.setattr(budget, "_rounds", lambda *_: iter(rounds))

    return stand_in


@pytest.mark.parametrize(
    ("figure", "ratio", "words"),
    [
        ("native.calls_per_second", 0.401, None),
        ("native.calls_per_second", 0.399, ("native", "calls per second at 16 in flight", "0.399", "at least 0.400")),
        ("native.calls_per_second", 5.0, None),
        ("native.p99", 2.19, None),
        ("native.p99", 2.21, ("native", "p99 at 1 in flight", "2.210", "at most 2.200")),
        ("native.p99", 0.1, None),
    ],
)
def test_only_a_ratio_that_is_worse_than_allowed_is_reported(figure, ratio, words):
    sentences = broken(FINE | {figure: ratio}, LIMITS)

    assert len(sentences) == (words is not None)
    assert all(word in sentences[0] for word in words or ())


def test_each_broken_limit_is_reported():
    assert len(broken({"native.calls_per_second": 0.1, "native.p99": 9.0}, LIMITS)) == 2


def test_limits_allow_for_the_differences_of_the_runs():
    limits = limits_of([{"a": 1.0, "b": 1.0}, {"a": 1.2, "b": 1.01}, {"a": 0.9, "b": 1.0}])

    assert limits["a"] == Limit(ratio=1.0, lowest=0.9, highest=1.2, tolerance=pytest.approx(0.3))
    assert limits["b"].tolerance == budget._LEAST_TOLERANCE


def test_a_run_takes_the_median_of_its_rounds(measured, tmp_path, capsys):
    path = tmp_path / "budget.json"
    measured(native__p99=[1.0, 2.0, 50.0])
    assert main(["--record", "--runs", "1", "--to", str(path)]) == 0
    assert json.loads(path.read_text())["ratios"]["native.p99"]["ratio"] == 2.0

    assert main(["--to", str(path)]) == 0
    measured(native__p99=[1.0, 3.0, 50.0])
    assert main(["--to", str(path)]) == 1
    assert capsys.readouterr().out.count("budget: ") == 1


def test_a_machine_that_cannot_build_the_generator_has_its_own_exit_code(monkeypatch, capsys):
    def open_rig(_):
        raise MissingRequirementError("no compiler")

    monkeypatch.setattr(budget, "open_rig", open_rig)

    assert main([]) == MISSING
    assert capsys.readouterr().out == "budget: no compiler\n"


def test_missing_ratios_are_no_success(measured, capsys, tmp_path):
    measured(native__p99=[1.0])

    assert main(["--to", str(tmp_path / "gone.json")]) == FAILED
    assert "gone.json" in capsys.readouterr().out


def test_each_ratio_has_a_stored_limit():
    stored = json.loads(budget._FILE.read_text())
    limits = {name: Limit(**limit) for name, limit in stored["ratios"].items()}

    assert limits.keys() == {f"{one}.{figure}" for one in budget._TRANSPORTS for figure in budget._FIGURES}
    assert stored["comment"] == budget._COMMENT
    for limit in limits.values():
        assert limit.lowest <= limit.ratio <= limit.highest
        assert limit.tolerance >= budget._LEAST_TOLERANCE
    assert broken({name: limit.ratio for name, limit in limits.items()}, limits) == []
