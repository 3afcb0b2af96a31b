from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.proofs import reload_proof
from benchmarks.proofs.reload_proof import Proof, main, wrong_versions
from benchmarks.proofs.reload_server import Change
from benchmarks.rig.replies import Reply
from presage.v1 import scoring_service_pb2 as pb

FINE = Proof(
    calls=100,
    failed=0,
    wrong=0,
    changes=40,
    broken=10,
    unreported=(),
    p99_between_us=1_000.0,
    p99_during_us=1_400.0,
    p99_of_changes_us=1_300.0,
    seconds_per_change=1.0,
)


def reply(due_ns, ended_ns, version):
    response = pb.ScoreResponse()
    response.prediction.model_version = version
    return Reply(due_ns, ended_ns, 0, response.SerializeToString())


CHANGES = [
    Change("new version", "1", "2", 100, 200, is_reported=True),
    Change("truncated", "2", "2", 300, 400, is_reported=True),
    Change("aliases", "2", "1", 500, 600, is_reported=True),
]


@pytest.mark.parametrize(
    ("due_ns", "ended_ns", "versions"),
    [
        (10, 99, "1"),
        (10, 101, "12"),
        (150, 160, "12"),
        (199, 250, "12"),
        (201, 250, "2"),
        (310, 390, "2"),
        (450, 501, "12"),
        (601, 700, "1"),
        (10, 700, "12"),
    ],
)
def test_a_version_is_right_if_it_could_serve_at_some_time_of_the_call(due_ns, ended_ns, versions):
    found = [version for version in "123" if not wrong_versions(CHANGES, [reply(due_ns, ended_ns, version)])]
    assert "".join(found) == versions


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"failed": 1}, 1),
        ({"wrong": 1}, 1),
        ({"unreported": ("truncated",)}, 1),
        ({"p99_during_us": 1_500.0}, 1),
        ({"p99_of_changes_us": 1_500.0}, 1),
    ],
)
def test_it_fails_if_a_call_a_version_a_report_or_the_time_is_wrong(change, code, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["reload_proof"])
    monkeypatch.setattr(reload_proof, "prove", lambda *_, **__: replace(FINE, **change))
    assert main() == code
    assert "50 reloads of which 10 were broken" in capsys.readouterr().out
