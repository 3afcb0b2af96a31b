from __future__ import annotations

import json

import pytest

from benchmarks import access_cost as program
from benchmarks.access_cost import main
from benchmarks.rig.in_turn import CallCost


@pytest.fixture
def costs(monkeypatch):
    """Puts figures in place of those of the loads."""

    def put(on: float) -> None:
        rounds = {"off": [40.0, 41.0, 42.0], "on": [40.0 + on, 41.1 + on, 42.0 + on]}
        found = {name: [CallCost(cpu, 100.0, 200.0) for cpu in cpus] for name, cpus in rounds.items()}
        monkeypatch.setattr(program, "load_in_turn", lambda *_: found)

    return put


@pytest.mark.parametrize(("on", "code"), [(2.0, 0), (7.0, 1)])
def test_the_difference_decides(costs, tmp_path, on, code):
    costs(on)
    file = tmp_path / "figures.json"
    assert main(["--visitors", "10", "--transport", "native", "--in-flight", "4", "--to", str(file)]) == code
    figures = json.loads(file.read_text())
    (one,) = figures["servers"]
    assert (one["transport"], one["in_flight"], round(one["difference_us"], 6)) == ("native", 4, on)
    assert figures["check_us"] > 0


def test_a_token_is_sent_that_the_server_knows(tmp_path):
    file = tmp_path / "figures.json"
    quick = ("--visitors", "10", "--rounds", "2", "--seconds", "0.2", "--in-flight", "4", "--transport", "grpcio")
    assert main([*quick, "--to", str(file)]) in {0, 1}  # so short, anything can be the difference
    (one,) = json.loads(file.read_text())["servers"]
    assert one["on_us"] > 0
