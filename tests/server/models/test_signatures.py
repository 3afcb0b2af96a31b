"""Servers that require signatures: at start, and of what comes later."""

from __future__ import annotations

import shutil
import time

import pytest
from typer.testing import CliRunner

from presage_export.bundle import make_key, sign_bundle
from presage_server.errors import ModelError
from presage_server.models.command import models as models_command
from presage_server.models.loading import load_models
from presage_server.models.unread import ReadFailure
from presage_server.models.verifying import Verifier
from support.bundle_files import copy_bundle
from support.running_server import GENEROUS_SECONDS, server_process


@pytest.fixture
def folder(models, tmp_path):
    shutil.copytree(models / "conversion", tmp_path / "models" / "conversion")
    make_key(tmp_path / "key.pem")
    return tmp_path / "models"


@pytest.fixture
def trusted(folder) -> str:
    return str(folder.parent / "key.pub.pem")


@pytest.fixture
def private(folder):
    return folder.parent / "key.pem"


def test_loading_and_verifying_reject_what_is_not_signed_by_its_name(folder, trusted, private):
    with pytest.raises(ModelError, match=r"conversion/1/manifest\.sig: is missing"):
        load_models(folder, trusted=trusted)
    found = Verifier(folder, trusted=trusted).verify([("conversion", "1")])["conversion", "1"]
    assert "conversion/1/manifest.sig: is missing" in found
    assert not isinstance(found, ReadFailure)

    sign_bundle(folder / "conversion" / "1", private)

    assert load_models(folder, trusted=trusted).default_scoring_name == "conversion"
    assert not isinstance(Verifier(folder, trusted=trusted).verify([("conversion", "1")])["conversion", "1"], str)


def test_an_older_signed_version_serves_where_a_newer_one_is_not_signed(folder, trusted, private):
    sign_bundle(folder / "conversion" / "1", private)
    copy_bundle(
        folder / "conversion" / "1", folder / "conversion" / "2"
    )  # the signature does not go with another version
    models = load_models(folder, trusted=trusted)
    assert models.served("conversion").champion.version == "1"
    assert "conversion/2/manifest.sig" in models.problems["conversion"]["2"]


def test_a_file_of_keys_that_is_away_says_nothing_of_bundles(folder, trusted, private):
    sign_bundle(folder / "conversion" / "1", private)
    found = Verifier(folder, trusted=f"{trusted}.absent").verify([("conversion", "1")])["conversion", "1"]
    assert isinstance(found, ReadFailure)
    assert "require_signature" in found


def test_a_signed_bundle_is_verified_all_the_same(folder, trusted, private):
    sign_bundle(folder / "conversion" / "1", private)
    (folder / "conversion" / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"model\.onnx: expected SHA-256"):
        load_models(folder, trusted=trusted)


def test_a_server_starts_with_signed_bundles_and_takes_on_new_ones_when_they_are_signed(
    folder, trusted, private, store, tmp_path
):
    flags = ("--port", "0", "--redis-url", store.url, "--models", str(folder), "--require-signature", trusted)
    with server_process(tmp_path / "refused", *flags, "--no-follow-items", wait=False) as refused:
        assert refused.wait()[0] == 2
        assert "conversion/1/manifest.sig: is missing: the bundle is not signed" in refused.log
    sign_bundle(folder / "conversion" / "1", private)
    with server_process(tmp_path / "log", *flags, "--no-follow-items", "--reload-seconds", "0.1") as server:
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / "2")
        wait_for(server, "conversion/2/manifest.sig: the signature of key")
        sign_bundle(folder / "conversion" / "2", private)
        wait_for(server, "version 2 serves")


def wait_for(server, text: str) -> None:
    deadline = time.monotonic() + GENEROUS_SECONDS
    while text not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def test_the_commands_make_a_key_sign_and_verify(folder, tmp_path):
    run = CliRunner().invoke
    key = str(tmp_path / "new.pem")
    assert "signs" in run(models_command, ["new-key", key]).output
    assert run(models_command, ["new-key", key]).exit_code == 2
    signed = run(models_command, ["sign", "conversion", "1", "--key", key, "--models", str(folder)])
    assert signed.exit_code == 0
    assert "presage models sign: conversion 1 is signed by key " in signed.output
    public = str(tmp_path / "new.pub.pem")
    verify = ["verify", "--models", str(folder), "--require-signature"]
    assert run(models_command, [*verify, public]).exit_code == 0
    assert run(models_command, [*verify, str(folder.parent / "key.pub.pem")]).exit_code == 2
