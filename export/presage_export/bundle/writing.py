"""Write a bundle's directory: complete or not at all."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.bundle import load_model, run_model, verify_bundle
from presage_export.bundle.calibration import to_scores
from presage_export.bundle.coverage import measure_coverage
from presage_export.bundle.files import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, OPTIONAL_FILES
from presage_export.bundle.golden import Golden, curve_of, pack_golden
from presage_export.bundle.manifest import Manifest, encode_manifest, seal_manifest
from presage_export.bundle.structure import check_structure
from presage_export.bundle.table_files import TABLES_FOLDER
from presage_export.errors import BundleError

__all__ = ["make_files", "replaced_directory", "require_replaceable", "write_bundle"]

_FILES = frozenset({MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE, TABLES_FOLDER}) | OPTIONAL_FILES


def write_bundle(
    directory: Path,
    *,
    manifest: Manifest,
    model_bytes: bytes,
    golden_rows: NDArray[np.float32],
    golden_margins: NDArray[np.float64],
    optional_files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Verify a bundle as ``read_bundle`` does, and write it under its final name.

    The same arguments give the same bytes. While a bundle is replaced, there is a moment without either; a reader then finds no
    manifest, but never a mixture of both.

    Args:
        directory: The target, named <name>/<version> as in the manifest; its parents are created.
        manifest: Description of the model; ``files``, ``golden`` and ``manifest_sha256`` are filled in here.
        model_bytes: The serialized ONNX model.
        golden_rows: float32 ``[G, F]``, G at least ``MIN_GOLDEN_ROWS``.
        golden_margins: The source model's margins of them, float64 ``[G]``.
        optional_files: Further files by name, of OPTIONAL_FILES.
        overwrite: Whether to replace an existing bundle in ``directory``.

    Returns:
        The manifest as written.

    Raises:
        BundleError: ``directory`` exists, and ``overwrite`` is false or it contains other files; or ``read_bundle`` would
            reject the bundle.
        ValueError: The name of a file is none that a bundle may have.
    """
    require_replaceable(directory, overwrite=overwrite)
    manifest, contents = make_files(
        directory, manifest, model_bytes, golden_rows, golden_margins, optional_files=optional_files
    )
    verify_bundle(directory, contents.__getitem__)
    with replaced_directory(directory) as new:
        for file_name, data in contents.items():
            (new / file_name).write_bytes(data)
    return manifest


@contextmanager
def replaced_directory(directory: Path) -> Iterator[Path]:
    """Make a directory that takes the place of another, or of none, when the block ends without an error."""
    # Siblings of the target, because a rename is only atomic within one file system.
    unique = uuid.uuid4().hex
    new = directory.with_name(f".{directory.name}.{unique}.new")
    old = directory.with_name(f".{directory.name}.{unique}.old")
    new.mkdir(parents=True)
    try:
        yield new
        if directory.exists():
            directory.rename(old)
        try:
            new.rename(directory)
        except OSError:
            if old.exists():
                old.rename(directory)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def make_files(
    directory: Path,
    manifest: Manifest,
    model_bytes: bytes,
    golden_rows: NDArray[np.float32],
    golden_margins: NDArray[np.float64],
    *,
    digests: Mapping[str, str] | None = None,
    optional_files: Mapping[str, bytes] | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """Compute the scores and the coverage of the golden rows, and all digests; ``digests`` are those of further files."""
    if unknown := (optional_files or {}).keys() - OPTIONAL_FILES:
        raise ValueError(f"optional_files: expected names of {sorted(OPTIONAL_FILES)}, got {min(unknown)!r}")
    feature_count = len(manifest.feature_set.features)
    path = directory / MODEL_FILE
    try:
        ensemble = check_structure(model_bytes, feature_count=feature_count)
    except ValueError as error:
        raise BundleError(path, str(error)) from error
    margins = run_model(path, load_model(path, model_bytes, feature_count=feature_count), golden_rows)
    scores = to_scores(manifest.link, manifest.calibration, margins.tolist())
    golden = Golden(
        rows=golden_rows,
        margins=golden_margins,
        scores=np.array(scores),
        curve=curve_of(manifest.link, manifest.calibration),
    )
    contents = {MODEL_FILE: model_bytes, GOLDEN_FILE: pack_golden(golden), **(optional_files or {})}
    own = {file_name: hashlib.sha256(data).hexdigest() for file_name, data in contents.items()}
    manifest = msgspec.structs.replace(
        manifest, files={**(digests or {}), **own}, golden=measure_coverage(ensemble, golden_rows)
    )
    manifest = seal_manifest(manifest)
    contents[MANIFEST_FILE] = encode_manifest(manifest)
    return manifest, contents


def require_replaceable(directory: Path, *, overwrite: bool) -> None:
    """Refuse to replace a directory that may have been named by mistake; raises BundleError."""
    if not directory.exists():
        return
    if not overwrite:
        raise BundleError(directory, "exists already; pass overwrite=True to replace it, or choose another version")
    try:
        foreign = sorted({path.name for path in directory.iterdir()} - _FILES)
        tables = directory / TABLES_FOLDER
        if tables.exists():
            foreign += sorted(f"{TABLES_FOLDER}/{path.name}" for path in tables.iterdir() if path.suffix != ".npy")
    except OSError as error:
        raise BundleError(directory, f"cannot be replaced: {error.strerror}") from error
    if foreign:
        raise BundleError(directory, f"holds more than a bundle ({', '.join(foreign[:3])}); nothing was replaced")
