"""The files of a bundle, changed on purpose, and the error that follows."""

from __future__ import annotations

import hashlib
import io

import msgspec
import numpy as np
import pytest

from presage_export.bundle import read_bundle
from presage_export.bundle.manifest import decode_manifest, encode_manifest
from presage_export.errors import BundleError

FILES = ["golden.npz", "manifest.json", "model.onnx"]


def replace_file(directory, file_name, data):
    """Replace a file and say so in the manifest, as one would who wants it to be believed."""
    (directory / file_name).write_bytes(data)
    change_manifest(directory, files={file_name: hashlib.sha256(data).hexdigest()})


def change_manifest(directory, *, files=None, **changes):
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes())
    path.write_bytes(
        encode_manifest(msgspec.structs.replace(manifest, files=manifest.files | (files or {}), **changes))
    )


def golden_archive(rows=None, margins=None, **others):
    buffer = io.BytesIO()
    arrays = {"rows": rows, "margins": margins, **others}
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def assert_refused(directory, file_name, reason):
    with pytest.raises(BundleError, match=reason) as refusal:
        read_bundle(directory)
    assert directory / file_name == refusal.value.path
    assert str(directory / file_name) in str(refusal.value)
    assert refusal.value.reason in str(refusal.value)
