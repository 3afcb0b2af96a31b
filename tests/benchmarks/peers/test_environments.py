from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers import environments
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.environments import EnvironmentMakingError, environment_python, installed_versions


@pytest.fixture
def peer(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "venvs")
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\n")
    return replace(PEERS[0], folder=tmp_path)


@pytest.fixture
def made(monkeypatch):
    """The environments that would have been made: nothing is installed."""
    folders = []

    def run(command):
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
            folders.append(command[-1])

    monkeypatch.setattr(environments, "_run", run)
    return folders


def test_an_environment_is_made_once_and_anew_when_a_pin_changes(peer, made, tmp_path):
    assert environment_python(peer) == environment_python(peer) == tmp_path / "venvs" / peer.name / "bin" / "python"
    assert len(made) == 1
    peer.requirements.write_text("numpy==2.4.5\n")
    environment_python(peer)
    assert len(made) == 2


def test_an_environment_that_was_moved_is_made_anew(peer, made, tmp_path, monkeypatch):
    environment_python(peer)
    (tmp_path / "venvs").rename(tmp_path / "moved")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "moved")
    environment_python(peer)

    assert len(made) == 2


def test_an_environment_whose_making_failed_is_not_taken_for_one(peer, made, monkeypatch):
    make = environments._run

    def fail(command):
        make(command)
        if "install" in command:
            raise EnvironmentMakingError("no such version")

    monkeypatch.setattr(environments, "_run", fail)
    for _ in range(2):
        with pytest.raises(EnvironmentMakingError):
            environment_python(peer)
    assert len(made) == 2


def test_what_the_installer_says_is_passed_on():
    with pytest.raises(EnvironmentMakingError, match=r"^ERROR: no$"):
        environments._run(["sh", "-c", "echo noise; echo 'ERROR: no' >&2; exit 3"])
    with pytest.raises(EnvironmentMakingError, match="no-such-program"):
        environments._run(["no-such-program"])


def test_versions_are_read_from_what_is_installed(peer, tmp_path):
    packages = tmp_path / "venvs" / peer.name / "lib" / "python3.11" / "site-packages"
    for name in ("numpy-2.4.6", "annotated_doc-0.0.7"):
        (packages / f"{name}.dist-info").mkdir(parents=True)

    assert installed_versions(peer) == {"annotated_doc": "0.0.7", "numpy": "2.4.6"}
