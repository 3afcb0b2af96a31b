"""Bundles of older formats serve; what a newer format brought is checked where it is, and cannot be taken away unnoticed."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from presage_export.bundle import BundleError, read_bundle, read_optional_file, write_bundle
from support.bundle_files import as_older_format, assert_refused, change_manifest, drop_golden_scores
from support.export_models import binary_model, explain_file, graph_of, manifest_of, margins_of, rows_of, write_model

CONTENT = explain_file(binary_model(), rows_of(100))


@pytest.fixture
def explained(tmp_path):
    booster, rows = binary_model(), rows_of(100)
    directory = tmp_path / "conversion" / "1"
    write_bundle(
        directory,
        manifest=manifest_of(booster),
        model_bytes=graph_of(booster),
        golden_rows=rows,
        golden_margins=margins_of(booster, rows),
        optional_files={"explain.npz": CONTENT},
    )
    return directory


@pytest.mark.parametrize("format_version", [1, 2])
def test_a_bundle_of_an_older_format_scores_the_same(directory, format_version):
    rows = rows_of(50, seed=4)
    before = read_bundle(directory)

    as_older_format(directory, format_version)

    bundle = read_bundle(directory)
    assert bundle.manifest.format_version == format_version
    assert bundle.scores(rows) == before.scores(rows)
    assert bundle.manifest.shares == {}


@pytest.mark.parametrize("file_name", ["golden.npz", "model.onnx"])
def test_an_altered_file_of_format_1_is_refused(directory, file_name):
    as_older_format(directory, 1)
    (directory / file_name).write_bytes((directory / file_name).read_bytes()[:-1] + b"x")

    assert_refused(directory, file_name, "expected SHA-256 .* altered")


def test_golden_margins_of_format_1_are_compared(directory):
    as_older_format(directory, 1)
    with np.load(directory / "golden.npz") as file:
        arrays = dict(file)
    arrays["margins"][3] += 0.01
    np.savez(directory / "golden.npz", **arrays)
    fields = json.loads((directory / "manifest.json").read_bytes())
    fields["files"]["golden.npz"] = hashlib.sha256((directory / "golden.npz").read_bytes()).hexdigest()
    (directory / "manifest.json").write_text(json.dumps(fields))

    assert_refused(directory, "golden.npz", "does not reproduce it on this host")


def test_a_newer_bundle_does_not_pass_as_one_of_format_1(directory):
    fields = json.loads((directory / "manifest.json").read_bytes()) | {"format_version": 1}
    (directory / "manifest.json").write_text(json.dumps(fields))

    assert_refused(directory, "manifest.json", "manifest_sha256: expected none in format 1|golden: expected none")


def test_a_golden_file_without_scores_is_none_of_a_newer_format(directory):
    drop_golden_scores(directory)
    change_manifest(
        directory, files={"golden.npz": hashlib.sha256((directory / "golden.npz").read_bytes()).hexdigest()}
    )

    assert_refused(directory, "golden.npz", "is no archive of the arrays 'rows', 'margins', 'scores', 'curve'")


def test_an_optional_file_is_read_back(explained):
    manifest = read_bundle(explained).manifest

    assert read_optional_file(explained, manifest, "explain.npz") == CONTENT
    assert read_optional_file(explained, manifest, "baseline.npz") is None


def test_an_optional_file_that_was_altered_is_refused_at_load_and_when_it_is_read(explained):
    manifest = read_bundle(explained).manifest
    (explained / "explain.npz").write_bytes(CONTENT + b"!")

    assert_refused(explained, "explain.npz", "expected SHA-256 .* altered")
    with pytest.raises(BundleError, match=r"explain\.npz: expected SHA-256"):
        read_optional_file(explained, manifest, "explain.npz")


def test_an_optional_file_that_is_missing_is_refused(explained):
    (explained / "explain.npz").unlink()

    assert_refused(explained, "explain.npz", "is missing")


def test_an_older_format_has_no_optional_files(explained):
    change_manifest(explained, format_version=2)

    assert_refused(explained, "manifest.json", "files: expected no explain.npz in format 2")


def test_a_bundle_with_optional_files_can_be_replaced(explained):
    write_model(explained, binary_model(), overwrite=True)

    assert sorted(path.name for path in explained.iterdir()) == ["golden.npz", "manifest.json", "model.onnx"]


def test_a_file_of_another_name_is_not_written(tmp_path):
    booster, rows = binary_model(), rows_of(100)
    with pytest.raises(ValueError, match=r"optional_files: expected names of .*, got 'notes.txt'"):
        write_bundle(
            tmp_path / "conversion" / "1",
            manifest=manifest_of(booster),
            model_bytes=graph_of(booster),
            golden_rows=rows,
            golden_margins=margins_of(booster, rows),
            optional_files={"notes.txt": b""},
        )
    assert list(tmp_path.iterdir()) == []
