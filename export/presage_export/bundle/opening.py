"""Open a bundle that another process has verified: its files are compared with what was verified, and nothing is verified again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from presage_export.bundle.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    Bundle,
    decode_manifest_file,
    load_model,
    read_file,
)
from presage_export.bundle.manifest import Manifest, encode_manifest
from presage_export.bundle.ranking import RankingBundle
from presage_export.bundle.table_files import TABLES_FOLDER, map_tables
from presage_export.errors import BundleError

__all__ = ["manifest_digest", "open_verified_bundle"]


def manifest_digest(manifest: Manifest) -> str:
    """Return the SHA-256 of a manifest's content, in hex; since it has the digests of all other files, it stands for the bundle."""
    return hashlib.sha256(encode_manifest(manifest)).hexdigest()


def open_verified_bundle(directory: Path, digest: str) -> Bundle | RankingBundle:
    """Open a bundle of either kind, <name>/<version>, in a few milliseconds, most of which other threads can use.

    Args:
        directory: The bundle.
        digest: What ``manifest_digest`` returned where it was verified.

    Raises:
        BundleError: It was changed since then, or ONNX Runtime does not load it here.
    """
    path = directory / MANIFEST_FILE
    manifest = decode_manifest_file(path, read_file(path))
    if (actual := manifest_digest(manifest)) != digest:
        raise BundleError(
            path, f"expected the content with SHA-256 {digest}, got {actual}: replaced since it was verified"
        )
    model_path = directory / MODEL_FILE
    model_bytes = read_file(model_path)
    if (actual := hashlib.sha256(model_bytes).hexdigest()) != (expected := manifest.files[MODEL_FILE]):
        raise BundleError(
            model_path, f"expected SHA-256 {expected} as in {MANIFEST_FILE}, got {actual}: it was altered"
        )
    model = load_model(model_path, model_bytes, feature_count=len(manifest.feature_set.features))
    spec = manifest.ranking
    if spec is msgspec.UNSET:
        return Bundle(directory=directory, manifest=manifest, model=model)
    tables = {name: file_digest for name, file_digest in manifest.files.items() if name.startswith(f"{TABLES_FOLDER}/")}
    return RankingBundle(
        directory=directory, manifest=manifest, spec=spec, model=model, arrays=map_tables(directory, tables)
    )
