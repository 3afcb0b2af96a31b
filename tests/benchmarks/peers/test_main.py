from __future__ import annotations

import json

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers.generator import Measured
from benchmarks.peers.peer import Task
from benchmarks.peers.rounds import Key, Outcome
from benchmarks.rig.command import MISSING, MissingRequirementError

FIGURES = Measured(in_flight=4, per_second=9.0, p50_us=1.0, p99_us=2.0, server_cpu_us=3.0, errors=0)


@pytest.fixture
def measuring(monkeypatch):
    """Puts an outcome in the place of the measurement, and notes what would have been measured."""
    asked = []

    def measured(outcome):
        def note(peers, dataset, _store, *how, ranking):
            made = len(ranking.items) if dataset is None else dataset.visitors
            asked.extend([[peer.name for peer in peers], made, *how])
            return outcome

        monkeypatch.setattr(command, "build_program", lambda _: None)
        monkeypatch.setattr(command, "measure", note)
        return asked

    return measured


def test_what_is_asked_for_is_measured_and_written(measuring, tmp_path, capsys):
    asked = measuring(Outcome({Key(Task.VECTOR, "mlserver_grpc", ""): [FIGURES]}))
    flags = "--only mlserver_grpc --tasks vector --visitors 20 --items 30 --rounds 2 --seconds 0.5 --in-flight 4"
    code = command.main([*flags.split(), "--to", str(tmp_path / "peers.json")])
    written = json.loads((tmp_path / "peers.json").read_text())

    assert code == 0
    assert asked == [["presage_native", "presage_grpcio", "mlserver_grpc"], 20, 2, 0.5, [4]]
    assert [row["peer"] for row in written["rows"]] == ["mlserver_grpc"]
    assert written["how"] == {"rounds": 2, "seconds": 0.5, "visitors": 20, "items": 30, "in_flight": [4]}
    assert "mlserver_grpc" in capsys.readouterr().out


def test_the_exit_code_says_that_a_peer_was_left_out(measuring, capsys):
    measuring(Outcome(failures={"ray_serve": "round 1: no"}))

    assert command.main(["--visitors", "20", "--tasks", "score"]) == 1
    assert "ray_serve: NOT MEASURED to the end, round 1: no" in capsys.readouterr().out


def test_nothing_is_measured_without_a_generator(monkeypatch, capsys):
    def missing(_):
        raise MissingRequirementError("it needs a C++ compiler")

    monkeypatch.setattr(command, "build_program", missing)

    assert command.main([]) == MISSING
    assert capsys.readouterr().out == "bench-peers: it needs a C++ compiler\n"


def test_one_transport_of_presage_is_compared_with_one_peer(measuring):
    asked = measuring(Outcome())
    command.main(["--only", "by_hand_grpc", "--transport", "grpcio", "--tasks", "score", "--visitors", "20"])

    assert asked[0] == ["presage_grpcio", "by_hand_grpc"]
    assert asked[-1] == [1, 16, 64]
