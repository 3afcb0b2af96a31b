from __future__ import annotations

import json

import pytest

from benchmarks import versions as program
from benchmarks.versions import main
from presage_export.registry import read_aliases
from presage_server.models.loading import load_models
from support.measured_servers import put_servers_in_place


def test_the_folders_hold_what_their_servers_are_to_serve(tmp_path):
    folders = program._write_models(tmp_path)

    assert len(load_models(folders["alone"]).served("").versions) == 1
    for served, share in (("split", 0.0), ("pairs", 0.1)):
        loaded = load_models(folders[served]).served("")
        assert [version.version for version in loaded.versions] == ["1", "2", "3"]
        assert read_aliases(folders[served] / "conversion").pairs_share == share


@pytest.fixture
def micros(monkeypatch) -> dict[str, float]:
    """Puts servers in place that take a given number of microseconds of processor time for each call."""
    micros = {"alone": 40.0, "split": 42.0, "pairs": 48.0}
    put_servers_in_place(monkeypatch, program, micros)
    return micros


def test_ratios_are_to_the_version_alone(micros, tmp_path):
    assert main(["--rounds", "3", "--transport", "native", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert len(figures) == 6
    ratios = {(one["served"], round(one["cpu_ratio"], 6), round(one["p99_ratio"], 6)) for one in figures}
    assert ratios == {("alone", 1.0, 1.0), ("split", 1.05, 1.05), ("pairs", 1.2, 1.2)}


def test_pairs_that_cost_too_much_are_a_failure(micros, capsys):
    micros["pairs"] = 54.0

    assert main(["--rounds", "1", "--transport", "native", "--in-flight", "16"]) == 1
    assert capsys.readouterr().out.endswith("native, 16 in flight: expected at most 1.3, got 1.35\n")
