from __future__ import annotations

import json
from contextlib import contextmanager

import pytest

from benchmarks import compare
from benchmarks.compare import main
from benchmarks.rig import rig
from benchmarks.rig.checkouts import Checkout, CommandError, this_checkout
from benchmarks.rig.command import USAGE
from benchmarks.rig.load import Latency, Outcome
from benchmarks.rig.ratios import Scenario


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """Puts figures in place of what takes long; returns the order of the measurements."""
    order = []

    @contextmanager
    def checkout_of(revision):
        yield Checkout(folder=tmp_path / revision)

    def stages(checkout, _file):
        here = checkout == this_checkout()
        order.append("this" if here else "base")
        return {
            Scenario("test_fold[median_v1]", "µs"): 8.0 if here else 10.0,
            Scenario("test_new" if here else "test_old", "µs"): 1.0,
        }

    monkeypatch.setattr(compare, "checkout_of", checkout_of)
    monkeypatch.setattr(compare, "check_imports", lambda _: None)
    monkeypatch.setattr(compare, "_stages", stages)
    return order


def test_both_are_measured_in_turn_and_change_places(ran):
    assert main(["--base", "v1", "--only", "stages", "--rounds", "3"]) == 0
    assert ran == ["base", "this", "this", "base", "base", "this"]


def test_differences_go_to_a_table_and_a_file(ran, capsys, tmp_path):
    assert main(["--base", "v1", "--only", "stages", "--rounds", "2", "--to", str(tmp_path / "to.json")]) == 0
    printed = capsys.readouterr().out

    (row,) = (line for line in printed.splitlines() if "test_fold[median_v1]" in line)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["µs", "10", "8", "0.800", "0.800 .. 0.800", "better"]
    assert "only in v1: test_old" in printed
    assert "only in this checkout: test_new" in printed
    (record,) = json.loads((tmp_path / "to.json").read_text())
    assert (record["scenario"], record["ratios"], record["verdict"]) == ("test_fold[median_v1]", [0.8, 0.8], "better")


def test_an_unknown_revision_is_an_error_of_one_line(capsys):
    assert main(["--base", "no-such-revision", "--only", "stages"]) == USAGE
    assert capsys.readouterr().out.count("\n") == 1


def test_a_revision_from_before_the_loads_has_stages_alone(ran, capsys, monkeypatch):
    monkeypatch.setattr(rig, "build_program", lambda _: None)
    monkeypatch.setattr(rig, "checkout_of", compare.checkout_of)
    monkeypatch.setattr(rig, "check_imports", lambda _: None)

    assert main(["--base", "v1"]) == USAGE
    assert "v1 has no benchmarks/rig/visitors.py" in capsys.readouterr().out
    assert ran == []


def test_benchmarks_that_fail_are_an_error(ran, capsys, monkeypatch):
    def stages(*_):
        raise CommandError("-m pytest benchmarks failed")

    monkeypatch.setattr(compare, "_stages", stages)

    assert main(["--base", "v1", "--only", "stages"]) == 1
    assert "bench-compare: -m pytest benchmarks failed" in capsys.readouterr().out


def test_a_load_is_three_figures_and_calls_that_fail_are_none():
    good = Latency(calls=100, p50_us=50.0, p90_us=60.0, p99_us=70.0, p999_us=80.0, max_us=90.0)

    figures = compare._wire(16, Outcome(seconds=2.0, statuses={0: good}, missed=0))
    assert {scenario.name: figure for scenario, figure in figures.items()} == {
        "Score, 16 in flight: calls": 50.0,
        "Score, 16 in flight: p50": 50.0,
        "Score, 16 in flight: p99": 70.0,
    }
    with pytest.raises(RuntimeError, match="100 of Score, 16 in flight, were not"):
        compare._wire(16, Outcome(seconds=2.0, statuses={0: good, 14: good}, missed=0))
