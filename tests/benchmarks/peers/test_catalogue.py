from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.__main__ import chosen
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.peer import Task, pinned
from benchmarks.peers.presage_itself import PRESAGES
from benchmarks.peers.rounds import Key

FOLDER = Path(chosen.__code__.co_filename).parent


def test_every_adapter_is_in_the_catalogue_under_its_folders_name():
    assert sorted(peer.name for peer in PEERS) == sorted(path.parent.name for path in FOLDER.glob("*/adapter.py"))
    assert all(peer.folder == FOLDER / peer.name for peer in PEERS)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_pinned_and_has_a_server_or_a_command_of_its_own(peer):
    assert pinned(peer.requirements)
    assert peer.what
    assert Path(peer.server).exists() or peer.name == "feast_rest"  # its server is Feast's own


@pytest.mark.parametrize("peer", [*PEERS, *PRESAGES], ids=lambda peer: peer.name)
def test_cases_of_a_peer_can_be_told_apart(peer):
    keys = [Key(case.task, peer.name, case.variant) for case in peer.cases]
    assert len(keys) == len(set(keys)) > 0


def test_presage_does_every_task_with_both_transports():
    assert [peer.name for peer in PRESAGES] == ["presage_native", "presage_grpcio"]
    assert all({case.task for case in peer.cases} == set(Task) for peer in PRESAGES)


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=2", "numpy==2.*", "-r other.txt", "numpy==2.1 ; python_version < '3'"]
)
def test_what_is_not_pinned_is_refused(line, tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"# a comment\nfeast[redis]==0.67.0\n{line}\n")

    with pytest.raises(ValueError, match="expected NAME==VERSION, got"):
        pinned(requirements)


def test_pins_are_read_without_comments(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# why\n\nfeast[redis]==0.67.0  # because\nnumpy==2.4.6\n")

    assert pinned(requirements) == ["feast[redis]==0.67.0", "numpy==2.4.6"]


def test_presage_is_always_measured_and_only_what_is_asked_for_beside_it():
    peers = chosen(["mlserver_grpc"], [Task.VECTOR])

    assert [peer.name for peer in peers] == ["presage_native", "presage_grpcio", "mlserver_grpc"]
    assert {case.task for peer in peers for case in peer.cases} == {Task.VECTOR}


def test_a_peer_without_a_case_of_the_tasks_is_left_out():
    peers = chosen(None, [Task.FEATURES])

    assert [peer.name for peer in peers] == ["presage_native", "presage_grpcio", "feast_rest", "feast_sdk"]
