"""The files of a bundle: their names, and how they are read and compared with what the manifest states of them."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Final

from presage_export.bundle.explaining.reading import EXPLAIN_FILE
from presage_export.bundle.golden import Golden, unpack_golden
from presage_export.bundle.manifest import Manifest, decode_manifest
from presage_export.errors import BundleError

__all__ = [
    "GOLDEN_FILE",
    "MANIFEST_FILE",
    "MAX_FILE_BYTES",
    "MODEL_FILE",
    "OPTIONAL_FILES",
    "decode_golden_file",
    "decode_manifest_file",
    "read_file",
    "read_manifest",
    "read_optional_file",
    "read_stated_file",
    "require_digest",
    "require_size",
]

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Largest file of a bundle, compressed and uncompressed; enough for thousands of trees."""

MANIFEST_FILE: Final = "manifest.json"
MODEL_FILE: Final = "model.onnx"
GOLDEN_FILE: Final = "golden.npz"
OPTIONAL_FILES: Final = frozenset({EXPLAIN_FILE, "baseline.npz"})
"""Files that a bundle may have since format 3; their digests are checked when it is loaded, and what is in them when it is read."""


def read_file(path: Path) -> bytes:
    """Read a regular file of at most MAX_FILE_BYTES, or one byte more; raises BundleError."""
    try:
        # Opening a pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(path, "cannot be read: expected a regular file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise BundleError(path, "is missing") from error
    except OSError as error:
        raise BundleError(path, f"cannot be read: {error.strerror}") from error


def require_size(path: Path, data: bytes) -> None:
    """Raise BundleError if a file is larger than MAX_FILE_BYTES."""
    if len(data) > MAX_FILE_BYTES:
        raise BundleError(path, f"expected at most {MAX_FILE_BYTES} bytes, got more")


def require_digest(path: Path, data: bytes, manifest: Manifest) -> None:
    """Raise BundleError if a file's SHA-256 is not the one that the manifest states."""
    if (actual := hashlib.sha256(data).hexdigest()) != (expected := manifest.files[path.name]):
        raise BundleError(path, f"expected SHA-256 {expected} as in {MANIFEST_FILE}, got {actual}: it was altered")


def read_stated_file(directory: Path, manifest: Manifest, file_name: str) -> bytes:
    """Read a file that a bundle's manifest names, and check its digest.

    Raises:
        BundleError: It cannot be read, or was altered.
    """
    path = directory / file_name
    data = read_file(path)
    require_size(path, data)
    require_digest(path, data, manifest)
    return data


def read_optional_file(directory: Path, manifest: Manifest, file_name: str) -> bytes | None:
    """Read one of OPTIONAL_FILES of a bundle, and check its digest again; None if the bundle has none.

    Raises:
        BundleError: It cannot be read, or was altered.
    """
    return read_stated_file(directory, manifest, file_name) if file_name in manifest.files else None


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a bundle, <name>/<version>, and no other file; raises BundleError."""
    path = directory / MANIFEST_FILE
    return decode_manifest_file(path, read_file(path))


def decode_manifest_file(path: Path, text: bytes) -> Manifest:
    """Decode a manifest that names the folder that it lies in; raises BundleError."""
    require_size(path, text)
    try:
        manifest = decode_manifest(text)
    except ValueError as error:
        raise BundleError(path, f"is not a valid manifest: {error}") from error
    folder = path.parent.absolute()
    for field, named, expected in (
        ("name", manifest.name, folder.parent.name),
        ("version", manifest.version, folder.name),
    ):
        if named != expected:
            raise BundleError(
                path,
                f"{field}: expected {expected!r}, as the folder is called, got {named!r}; rename the folder, or export it again",
            )
    return manifest


def decode_golden_file(path: Path, data: bytes, manifest: Manifest) -> Golden:
    """Decode the golden rows of a bundle; raises BundleError."""
    count = len(manifest.feature_set.features)
    try:
        return unpack_golden(data, feature_count=count, max_bytes=MAX_FILE_BYTES, scored=manifest.is_sealed)
    except ValueError as error:
        raise BundleError(path, str(error)) from error
