from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import versions as program
from benchmarks.rig import in_turn
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server
from benchmarks.versions import main
from presage_export.registry import read_aliases
from presage_server.models.loading import load_models

SERVERS = {"alone": Server("alone:1", 1, 1), "split": Server("split:1", 2, 2), "pairs": Server("pairs:1", 3, 3)}


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
    micros = {"alone:1": 40.0, "split:1": 42.0, "pairs:1": 48.0}
    used = {1: 0.0, 2: 0.0, 3: 0.0}

    class Rig:
        def write_calls(self, scenario):
            return Calls(Path(scenario), ["/Method"])

    @contextmanager
    def open_rig(_):
        yield Rig()

    def run_load(address, _calls, **_options):
        (server,) = (server for server in SERVERS.values() if server.address == address)
        used[server.pid] += 100 * micros[address] / 1e6
        p99 = 10.0 * micros[address]
        latency = Latency(calls=100, p50_us=1.0, p90_us=1.0, p99_us=p99, p999_us=p99, max_us=p99)
        return Outcome(seconds=1.0, statuses={0: latency}, missed=0)

    monkeypatch.setattr(program, "open_rig", open_rig)
    monkeypatch.setattr(program, "_start", lambda *_: SERVERS)
    monkeypatch.setattr(in_turn, "run_load", run_load)
    monkeypatch.setattr(in_turn, "cpu_seconds", lambda pids: used[pids[0]])
    return micros


def test_ratios_are_to_the_version_alone(micros, tmp_path):
    assert main(["--rounds", "3", "--transport", "native", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())

    assert len(figures) == 6
    ratios = {(one["served"], round(one["cpu_ratio"], 6), round(one["p99_ratio"], 6)) for one in figures}
    assert ratios == {("alone", 1.0, 1.0), ("split", 1.05, 1.05), ("pairs", 1.2, 1.2)}


def test_pairs_that_cost_too_much_are_a_failure(micros, capsys):
    micros["pairs:1"] = 54.0

    assert main(["--rounds", "1", "--transport", "native", "--in-flight", "16"]) == 1
    assert capsys.readouterr().out.endswith("native, 16 in flight: expected at most 1.3, got 1.35\n")
