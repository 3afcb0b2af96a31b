"""Copies of a bundle under another name and version: its manifest names both, so a folder cannot simply be renamed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from presage_export.bundle.files import MANIFEST_FILE, read_file
from presage_export.bundle.manifest import Manifest, decode_manifest, encode_manifest, seal_manifest
from presage_export.errors import BundleError

__all__ = ["copy_bundle", "is_same_model", "read_foreign_manifest"]

_MAX_DEPTH = 2
"""A bundle has files, and files of one folder."""
_CHUNK_BYTES = 1 << 20


def read_foreign_manifest(folder: Path) -> Manifest:
    """Read the manifest of a bundle in a folder of any name; raises BundleError."""
    path = folder / MANIFEST_FILE
    try:
        return decode_manifest(read_file(path))
    except ValueError as error:
        raise BundleError(path, f"is not a valid manifest: {error}") from error


def is_same_model(one: Manifest, other: Manifest) -> bool:
    """Return whether two bundles differ by their names and versions at most."""
    return _rename(one, other.name, other.version) == other


def copy_bundle(source: Path, target: Path) -> Manifest:
    """Copy the files that a bundle's manifest names, and the manifest under the name and version of the target.

    Nothing is verified but the manifest: load the copy.

    Args:
        source: A folder of any name.
        target: <name>/<version>; must not be there yet, its parents are created.

    Returns:
        The manifest of the copy.

    Raises:
        BundleError: A file is missing, or named so that it would be read or written elsewhere.
        ValueError: The target's name or version is none that a bundle may have.
        OSError: The target cannot be written.
    """
    found = read_foreign_manifest(source)
    manifest = _rename(found, target.parent.name, target.name)
    target.mkdir(parents=True)
    for file_name in found.files:
        parts = PurePosixPath(file_name).parts
        if not 1 <= len(parts) <= _MAX_DEPTH or not {"..", "/"}.isdisjoint(parts) or file_name == MANIFEST_FILE:
            raise BundleError(source / MANIFEST_FILE, f"files: {file_name[:100]!r} is no file that a bundle has")
        _copy_file(source.joinpath(*parts), target.joinpath(*parts))
    (target / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    return manifest


def _rename(manifest: Manifest, name: str, version: str) -> Manifest:
    renamed = replace(manifest, name=name, version=version)
    return seal_manifest(renamed) if renamed.is_sealed else renamed


def _copy_file(source: Path, target: Path) -> None:
    if not source.is_file():  # nor a pipe, which would be waited for
        raise BundleError(source, "is missing, or no regular file")
    target.parent.mkdir(exist_ok=True)
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(_CHUNK_BYTES):
            written.write(chunk)
