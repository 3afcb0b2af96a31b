"""The files of a bundle, changed on purpose, and the error that follows."""

from __future__ import annotations

import hashlib
import io
import shutil

import msgspec
import numpy as np
import pytest

from presage_export.bundle import OPTIONAL_FILES, read_bundle
from presage_export.bundle.manifest import decode_manifest, encode_manifest, seal_manifest
from presage_export.errors import BundleError

FILES = ["golden.npz", "manifest.json", "model.onnx"]


def replace_file(directory, file_name, data):
    """Replace a file and say so in the manifest, as one would who wants it to be believed."""
    (directory / file_name).write_bytes(data)
    change_manifest(directory, files={file_name: hashlib.sha256(data).hexdigest()})


def change_manifest(directory, *, files=None, **changes):
    """Change fields of a manifest, and digests of files by name; those that are None are left out."""
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes())
    kept = {name: digest for name, digest in (manifest.files | (files or {})).items() if digest is not None}
    changed = msgspec.structs.replace(manifest, files=kept, **changes)
    path.write_bytes(encode_manifest(seal_manifest(changed)))


def change_golden(directory, **arrays):
    """Replace arrays of the golden file; those that are None are left out."""
    kept = dict(np.load(directory / "golden.npz")) | arrays
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in kept.items() if array is not None})
    replace_file(directory, "golden.npz", buffer.getvalue())


def copy_bundle(source, target):
    """Copy a bundle to another name or version, which its manifest then has, too."""
    shutil.copytree(source, target)
    change_manifest(target, name=target.parent.name, version=target.name)
    return target


def drop_golden_scores(directory):
    """Leave out of a golden file what format 1 lacks."""
    with np.load(directory / "golden.npz") as arrays:
        rows, margins = arrays["rows"], arrays["margins"]
    np.savez(directory / "golden.npz", rows=rows, margins=margins)


def as_older_format(directory, format_version):
    """Turn a bundle into what a release wrote that knew only an older format."""
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes())
    for name in OPTIONAL_FILES & manifest.files.keys():
        (directory / name).unlink()
    kept = {name: digest for name, digest in manifest.files.items() if name not in OPTIONAL_FILES}
    manifest = msgspec.structs.replace(manifest, files=kept)
    if format_version > 1:
        older = msgspec.structs.replace(manifest, format_version=format_version, importances=msgspec.UNSET)
        path.write_bytes(encode_manifest(seal_manifest(older)))
        return
    drop_golden_scores(directory)
    digest = hashlib.sha256((directory / "golden.npz").read_bytes()).hexdigest()
    absent = {"golden", "manifest_sha256", "importances"}
    fields = {name: value for name, value in msgspec.to_builtins(manifest).items() if name not in absent}
    fields |= {"format_version": format_version, "files": manifest.files | {"golden.npz": digest}}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=2))


def assert_refused(directory, file_name, reason):
    with pytest.raises(BundleError, match=reason) as refusal:
        read_bundle(directory)
    assert directory / file_name == refusal.value.path
    assert str(directory / file_name) in str(refusal.value)
    assert refusal.value.reason in str(refusal.value)
