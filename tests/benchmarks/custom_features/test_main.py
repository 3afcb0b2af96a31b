from __future__ import annotations

import json
from pathlib import Path

import pytest
from training.logs import shop

from benchmarks.custom_features import __main__ as program
from benchmarks.custom_features.__main__ import PROJECT, main
from benchmarks.custom_features.attributes import with_attributes
from presage_featurizer.custom import read_custom_features
from support.measured_servers import put_servers_in_place


def test_the_project_has_every_aggregate_over_both_scopes_and_two_features_in_python():
    own = read_custom_features(PROJECT)
    declared = own.aggregates.aggregates

    assert (len(declared), len(own.catalogue)) == (20, 22)
    kinds = {"count", "sum", "min", "max", "last", "distinct", "decayed_sum", "time_since_last"}
    for over in ("session", "visitor"):
        assert {each.kind for each in declared if each.over == over} == kinds
    filters = {condition.attribute.partition(".")[0] for each in declared for condition in each.where}
    assert filters == {"numbers", "labels", "item", "device", "country", "value"}


def test_an_event_always_gets_the_same_attributes():
    events = shop(visitors=20)
    changed = [with_attributes(event) for event in events]

    assert changed == [with_attributes(event) for event in events]
    assert {name for event in changed for name in event.numbers} == {"margin", "scroll"}
    assert {name for event in changed for name in event.labels} == {"campaign", "channel", "query"}
    assert all(list(event.labels) == sorted(event.labels) for event in changed)


@pytest.fixture
def micros(monkeypatch) -> dict[str, float]:
    """Puts servers in place that take a given number of microseconds of processor time for each call."""
    micros = {"without": 40.0, "with": 48.0}
    put_servers_in_place(monkeypatch, program, micros)
    monkeypatch.setattr(program, "_VISITORS", 5)
    monkeypatch.setattr(program, "_train", lambda *_: Path("models"))
    return micros


def test_the_ratio_is_of_processor_time_for_a_call(micros, tmp_path, capsys):
    assert main(["--rounds", "3", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert len(figures) == 8
    assert {round(figure["ratio"], 6) for figure in figures} == {1.2}
    assert {round(figure["with_micros"], 6) for figure in figures} == {48.0}
    assert capsys.readouterr().out.count("1.20") == 8


def test_a_score_that_costs_too_much_is_a_failure(micros, capsys):
    micros["with"] = 61.0

    assert main(["--rounds", "1", "--transport", "native", "--in-flight", "16"]) == 1
    assert capsys.readouterr().out.endswith("native, 16 in flight: expected at most 1.5, got 1.52\n")
