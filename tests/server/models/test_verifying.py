"""Bundles verified by a child process, whatever becomes of it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time

import pytest

from presage_export.bundle import manifest_digest, open_verified_bundle, read_bundle
from presage_export.errors import BundleError
from presage_server.models.loading import describe_version, load_any_model
from presage_server.models.unread import ReadFailure
from presage_server.models.verifying import Verifier
from support.bundle_files import change_manifest, copy_bundle
from support.bundles import write_small_bundle
from support.projects import custom_features


@pytest.fixture
def folder(models, tmp_path):
    return shutil.copytree(models, tmp_path / "models")


def test_it_finds_what_loading_finds(folder):
    copy_bundle(folder / "second" / "2", folder / "second" / "3")
    (folder / "second" / "3" / "model.onnx").write_bytes(b"")
    keys = [("conversion", "1"), ("second", "3"), ("second", "2")]
    found = Verifier(folder).verify(keys)
    assert found["conversion", "1"] == describe_version(load_any_model(folder / "conversion" / "1"))
    assert found["second", "2"] == describe_version(load_any_model(folder / "second" / "2"))
    assert f"{folder}/second/3/model.onnx: expected SHA-256" in found["second", "3"]


def test_it_knows_the_projects_features(tmp_path):
    write_small_bundle(tmp_path, name="own", feature_set=custom_features().feature_set)
    key = ("own", "1")
    assert "'brands_viewed' is" in Verifier(tmp_path).verify([key])[key]
    assert not isinstance(Verifier(tmp_path, custom_features()).verify([key])[key], str)


@pytest.mark.parametrize("is_kept", [False, True], ids=["started for each", "kept"])
def test_a_version_that_ends_the_process_is_to_blame_and_no_other(folder, monkeypatch, is_kept):
    """Killed while the first version in line is verified."""
    verifier = Verifier(folder)
    if is_kept:
        verifier.open()
    run, started = verifier._run, []

    def run_and_kill(left, found):
        process = verifier._start()
        started.append(process)
        if len(started) == 1:
            os.killpg(process.pid, signal.SIGKILL)
        return run(left, found)

    monkeypatch.setattr(verifier, "_run", run_and_kill)
    found = verifier.verify([("second", "2"), ("conversion", "1")])
    assert found["second", "2"] == "the process that verified it ended with code 1; it is tried again"
    assert isinstance(found["second", "2"], ReadFailure)
    assert not isinstance(found["conversion", "1"], str)
    assert started[0] is not started[1]
    assert (started[1].poll() is None) == is_kept
    verifier.close()
    started[1].wait(10)


def test_a_process_that_was_killed_while_it_waited_is_started_again_and_no_version_is_to_blame(folder):
    """As the kernel does when memory is short."""
    verifier = Verifier(folder)
    verifier.open()
    waiting = verifier._process
    waiting.kill()
    waiting.wait(10)
    try:
        for key in (("second", "2"), ("conversion", "1")):
            assert not isinstance(verifier.verify([key])[key], str)
    finally:
        verifier.close()


def test_a_version_that_takes_too_long_is_given_up_and_no_other(folder, monkeypatch):
    verifier = Verifier(folder, seconds=0.001)
    run = verifier._run

    def run_again_with_time(left, found):
        reason = run(left, found)
        verifier._seconds = 60.0
        return reason

    monkeypatch.setattr(verifier, "_run", run_again_with_time)
    found = verifier.verify([("second", "2"), ("conversion", "1")])
    assert found["second", "2"] == "it could not be verified within 0.002 s; it is tried again"
    assert isinstance(found["second", "2"], ReadFailure)
    assert not isinstance(found["conversion", "1"], str)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file whose reads fail")
@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "golden.npz"])
def test_a_file_that_cannot_be_read_is_no_fault_of_its_version(folder, name):
    path = folder / "conversion" / "1" / name
    path.unlink()
    path.symlink_to("/proc/self/mem")  # reads fail as those of a failing disk do
    verifier = Verifier(folder)
    unread = verifier.verify([("conversion", "1")])["conversion", "1"]
    assert unread == f"{path}: cannot be read: Input/output error"
    assert isinstance(unread, ReadFailure)
    path.unlink()
    missing = verifier.verify([("conversion", "1")])["conversion", "1"]
    assert missing == f"{path}: is missing"
    assert not isinstance(missing, ReadFailure)


def test_closing_ends_it(folder):
    verifier = Verifier(folder)
    found = []
    thread = threading.Thread(target=lambda: found.append(verifier.verify([("second", "2"), ("conversion", "1")])))
    thread.start()
    while verifier._process is None:
        time.sleep(0.001)
    verifier.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(found[0]) < 2
    assert verifier._process is None


def test_what_was_verified_can_be_opened_and_nothing_else(folder):
    path = folder / "conversion" / "1"
    bundle = read_bundle(path)
    digest = manifest_digest(bundle.manifest)
    opened = open_verified_bundle(path, digest)
    assert (opened.manifest, opened.directory) == (bundle.manifest, path)
    model = (path / "model.onnx").read_bytes()
    (path / "model.onnx").write_bytes(model + b"\0")
    with pytest.raises(BundleError, match=r"model\.onnx: expected SHA-256"):
        open_verified_bundle(path, digest)
    (path / "model.onnx").write_bytes(model)
    change_manifest(path, objective="another")
    with pytest.raises(BundleError, match=r"manifest\.json: .*replaced since it was verified"):
        open_verified_bundle(path, digest)
