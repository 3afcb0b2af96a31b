from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.peers import report
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.generator import Measured
from benchmarks.peers.peer import Task
from benchmarks.peers.presage_itself import PRESAGES
from benchmarks.peers.report import print_report, rows_of, write_json
from benchmarks.peers.rounds import Key, Outcome

ALL = [*PRESAGES, *PEERS]


def measured(per_second, in_flight=1, errors=0):
    return Measured(
        in_flight=in_flight,
        per_second=per_second,
        p50_us=per_second / 10,
        p99_us=per_second / 5,
        server_cpu_us=per_second / 2,
        errors=errors,
    )


@pytest.fixture
def outcome():
    return Outcome(
        measured={
            Key(Task.SCORE, "presage_native", ""): [measured(900.0), measured(8000.0, 16), measured(1000.0)],
            Key(Task.SCORE, "presage_grpcio", ""): [measured(500.0), measured(600.0), measured(550.0)],
            Key(Task.VECTOR, "mlserver_grpc", ""): [measured(300.0, errors=2)],
            Key(Task.SCORE, "feast_sdk", "plain"): [measured(1900.0), measured(2000.0, 16, errors=5)],
            Key(Task.SCORE, "ray_serve", ""): [],
        },
        failures={"ray_serve": "round 1: ended with code 1\n[::1] in [use]"},
    )


@pytest.fixture
def printed(outcome):
    console = Console(file=StringIO(), width=200)
    print_report(outcome, ALL, 3, console)
    return console.file.getvalue()


def test_rounds_come_to_their_medians_by_task_and_calls_in_flight(outcome):
    rows = rows_of(outcome)

    assert [(row.task, row.peer, row.variant, row.in_flight, row.per_second, row.rounds) for row in rows] == [
        ("score", "presage_native", "", 1, 950.0, 2),
        ("score", "presage_native", "", 16, 8000.0, 1),
        ("score", "presage_grpcio", "", 1, 550.0, 3),
        ("score", "feast_sdk", "plain", 1, 1900.0, 1),
        ("score", "feast_sdk", "plain", 16, 2000.0, 1),
        ("vector", "mlserver_grpc", "", 1, 300.0, 1),
    ]
    assert (rows[2].p50_us, rows[2].p99_us, rows[2].server_cpu_us) == (55.0, 110.0, 275.0)
    assert rows[2].spread == pytest.approx(100 / 550)
    assert [row.errors for row in rows] == [0, 0, 0, 0, 5, 2]


def test_losses_are_printed_as_wins_are(printed):
    (line,) = [line for line in printed.splitlines() if "feast_sdk, plain" in line and "│" in line]

    assert "1,900/s  190 / 380  950  x0.50" in line
    assert "2,000/s  200 / 400  1,000  x4.00" in line
    assert line.rstrip(" │").endswith("5")


def test_what_a_peer_leaves_out_is_said_once_and_only_of_what_was_measured(printed):
    assert printed.count("feast_sdk, plain (score): less work") == 1
    assert "precomputed" not in printed


def test_why_a_peer_was_not_measured_is_said_as_it_is(printed):
    assert "ray_serve: NOT MEASURED to the end, round 1: ended with code 1\n[::1] in [use]" in printed


def test_a_plot_can_be_made_of_what_is_written(outcome, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "installed_versions", lambda peer: {"of": peer.name})
    path = tmp_path / "a" / "peers.json"
    write_json(path, outcome, ALL, {"rounds": 3})
    whole = json.loads(path.read_text())

    assert whole["rows"][4] == {
        "task": "score",
        "peer": "feast_sdk",
        "variant": "plain",
        "in_flight": 16,
        "per_second": 2000.0,
        "p50_us": 200.0,
        "p99_us": 400.0,
        "server_cpu_us": 1000.0,
        "errors": 5,
        "rounds": 1,
        "spread": 0.0,
    }
    assert whole["how"] == {"rounds": 3}
    assert whole["failures"].keys() == {"ray_serve"}
    assert whole["peers"]["feast_sdk"]["versions"] == {"of": "feast_sdk"}
    assert "grpcio" in whole["peers"]["presage_native"]["versions"]
