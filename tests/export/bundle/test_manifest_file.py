"""A manifest is taken as it was sealed, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from presage_export.bundle import read_bundle
from presage_export.bundle.calibration import IsotonicCalibration, SigmoidCalibration
from presage_export.bundle.manifest import encode_manifest, seal_manifest
from support.bundle_files import assert_refused, change_manifest


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format_version": 2}', b'{"format_version": 1e400}'),
        b'{"format_version": ' + b"9" * 10_000 + b"}",
        b'{"format_version": 2, "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b" " * 70_000_000,
    ],
    ids=lambda text: text[:24],
)
def test_a_manifest_that_is_none_is_refused(directory, text):
    (directory / "manifest.json").write_bytes(text)

    assert_refused(directory, "manifest.json", "is not a valid manifest|expected at most 67108864 bytes")


@pytest.mark.parametrize(
    ("version", "reason"),
    [(4, "got 4; a newer release may read it"), (0, "got 0; a newer release may read it")],
)
def test_another_format_is_refused_as_such(directory, version, reason):
    fields = json.loads((directory / "manifest.json").read_bytes())
    (directory / "manifest.json").write_text(json.dumps(fields | {"format_version": version, "novelty": True}))

    assert_refused(directory, "manifest.json", f"format_version: expected 1 to 3, {reason}")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("link", "identity"),
        ("calibration", {"kind": "sigmoid", "a": 1.5, "b": 0.0}),
        ("metrics", {"auc": 0.99}),
        ("objective", "rank"),
    ],
)
def test_an_edited_manifest_is_refused(directory, field, value):
    fields = json.loads((directory / "manifest.json").read_bytes())
    (directory / "manifest.json").write_text(json.dumps(fields | {field: value}))

    assert_refused(directory, "manifest.json", "manifest_sha256: expected .* altered")


@pytest.mark.parametrize(
    "changes",
    [
        {"link": "identity"},
        {"link": "probability"},
        {"calibration": SigmoidCalibration(a=1.0, b=1e-9)},
        {"calibration": IsotonicCalibration(margins=(-1.0, 1.0), probabilities=(0.2, 0.8))},
    ],
)
def test_another_way_from_margins_to_scores_is_refused_under_a_true_digest(directory, changes):
    change_manifest(directory, **changes)

    assert_refused(directory, "golden.npz", "the link or the calibration is not the one")


@pytest.mark.parametrize(("field", "value"), [("name", "other"), ("version", "2")])
def test_a_bundle_in_a_folder_of_another_name_is_refused(directory, field, value):
    change_manifest(directory, **{field: value})

    assert_refused(directory, "manifest.json", rf"{field}: expected '\w+', as the folder is called, got '{value}'")


def test_a_folder_is_compared_by_its_full_name(directory, monkeypatch):
    monkeypatch.chdir(directory.parent)

    assert read_bundle(Path("1")).manifest.name == "conversion"


def test_another_number_of_trees_is_refused(directory):
    change_manifest(directory, trees=90_000)

    assert_refused(directory, "manifest.json", "trees: expected 20, as in model.onnx, got 90000")


@pytest.mark.parametrize("file_name", ["../../secret", "extra.bin", "manifest.json"])
def test_a_manifest_that_lists_another_file_is_refused(directory, file_name):
    change_manifest(directory, files={file_name: "0" * 64})

    assert_refused(directory, "manifest.json", "files: expected golden.npz and model.onnx")


def test_a_manifest_that_lists_too_few_files_is_refused(directory):
    path = directory / "manifest.json"
    manifest = read_bundle(directory).manifest
    files = {"model.onnx": manifest.files["model.onnx"]}
    path.write_bytes(encode_manifest(seal_manifest(msgspec.structs.replace(manifest, files=files))))

    assert_refused(directory, "manifest.json", "files: expected golden.npz and model.onnx")
