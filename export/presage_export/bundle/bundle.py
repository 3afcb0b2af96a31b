"""A bundle: the directory of a model, verified before it serves.

model.onnx      features to raw margin
golden.npz      ``rows``, float32 [G, F], and ``margins``, float64 [G], of the source model
manifest.json   description of the model, and the SHA-256 of the other two files
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.calibration import to_scores
from presage_export.bundle.manifest import Manifest, decode_manifest
from presage_export.bundle.onnx_wire import read_graph_contents
from presage_export.bundle.parity import compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.errors import BundleError, OnnxModelError, ParityError

__all__ = ["MAX_FILE_BYTES", "MIN_GOLDEN_ROWS", "Bundle", "read_bundle", "verify_bundle"]

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Largest file of a bundle, compressed and uncompressed; enough for thousands of trees."""
MIN_GOLDEN_ROWS: Final = 32
"""Fewest golden rows that are a meaningful check of a host."""

MANIFEST_FILE: Final = "manifest.json"
MODEL_FILE: Final = "model.onnx"
GOLDEN_FILE: Final = "golden.npz"

# Arithmetic on one tensor of features; nothing that loops, branches, reads files or allocates by parameter.
ALLOWED_OPERATORS: Final = frozenset(
    {
        ("ai.onnx.ml", "TreeEnsembleRegressor"),  # gradient boosting and forests
        ("", "Gemm"),  # linear models, with their scaling folded in
        ("", "Cast"),  # float32 to double and back, to avoid accumulated rounding error
        ("", "Add"),  # trees plus a linear part, in stacks and blends
        ("ai.onnx.ml", "LinearRegressor"),  # linear models written by other converters
        ("ai.onnx.ml", "Scaler"),  # the scaling of those
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A verified model, ready to serve."""

    directory: Path
    """The directory that it was read from."""
    manifest: Manifest
    model: OnnxModel
    """Computes margins."""

    def scores(self, rows: NDArray[np.float32]) -> list[float]:
        """Score rows.

        Args:
            rows: float32 ``[N, F]``, C-contiguous; NaN only if the model was trained with missing values.

        Returns:
            N scores: margins through the calibration, or through the link if there is none, in double precision.

        Raises:
            ValueError: The rows have another dtype or shape.
        """
        manifest = self.manifest
        return to_scores(manifest.link, manifest.calibration, self.model.margins(rows).tolist())


def read_bundle(directory: Path) -> Bundle:
    """Read and verify a bundle.

    The order of the checks makes sure that nothing is interpreted before it is known to be unaltered: the manifest, the presence
    and size of each file, its SHA-256, the operators of the graph, whether it loads and has the right input and output, and last
    the golden rows, whose margins ONNX Runtime has to reproduce on this host.

    Raises:
        BundleError: A check fails; the error names the file and the reason.
    """
    return verify_bundle(directory, lambda file_name: _read_file(directory / file_name))


def verify_bundle(directory: Path, read: Callable[[str], bytes]) -> Bundle:
    """Verify a bundle whose files ``read`` returns by name; ``directory`` is named in errors."""
    manifest_path, model_path, golden_path = (directory / name for name in (MANIFEST_FILE, MODEL_FILE, GOLDEN_FILE))
    manifest = _decode_manifest(manifest_path, read(MANIFEST_FILE))
    model_bytes, golden_bytes = read(MODEL_FILE), read(GOLDEN_FILE)
    for path, data in ((model_path, model_bytes), (golden_path, golden_bytes)):
        if len(data) > MAX_FILE_BYTES:
            raise BundleError(path, f"expected at most {MAX_FILE_BYTES} bytes, got more")
    for path, data in ((model_path, model_bytes), (golden_path, golden_bytes)):
        if (actual := hashlib.sha256(data).hexdigest()) != (expected := manifest.files[path.name]):
            raise BundleError(path, f"expected SHA-256 {expected} as in {MANIFEST_FILE}, got {actual}: it was altered")
    _check_operators(model_path, model_bytes)
    model = _load_model(model_path, model_bytes, feature_count=len(manifest.feature_set.features))
    rows, margins = _unpack_golden(golden_path, golden_bytes, feature_count=model.feature_count)
    try:
        actual_margins = model.margins(rows)
    except ValueError as error:
        # The rows have the right shape: ONNX Runtime finds some faults of a graph only when it runs.
        raise BundleError(model_path, f"cannot be run: {error.__cause__}") from error
    try:
        compare_margins(
            margins,
            actual_margins,
            rows=rows,
            link=manifest.link,
            trees=manifest.trees,
            calibration=manifest.calibration,
        )
    except ParityError as error:
        raise BundleError(golden_path, f"{MODEL_FILE} does not reproduce it on this host: {error}") from error
    return Bundle(directory=directory, manifest=manifest, model=model)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise BundleError(path, "is missing") from error
    except OSError as error:
        raise BundleError(path, f"cannot be read: {error.strerror}") from error


def _decode_manifest(path: Path, text: bytes) -> Manifest:
    try:
        manifest = decode_manifest(text)
    except ValueError as error:
        raise BundleError(path, f"is no valid manifest: {error}") from error
    if manifest.files.keys() != {MODEL_FILE, GOLDEN_FILE}:
        raise BundleError(path, f"files: expected {GOLDEN_FILE} and {MODEL_FILE}, got {sorted(manifest.files)}")
    return manifest


def _check_operators(path: Path, model_bytes: bytes) -> None:
    try:
        graph = read_graph_contents(model_bytes)
    except ValueError as error:
        raise BundleError(path, f"is no ONNX model: {error}") from error
    if graph.external_data:
        raise BundleError(path, "refers to data in another file; a bundle's model has to be whole")
    if rejected := set(graph.operators) - ALLOWED_OPERATORS:
        named = ", ".join(f"{domain or 'ai.onnx'}.{op_type}" for domain, op_type in sorted(rejected))
        raise BundleError(path, f"uses operators that are not allowed: {named}")


def _load_model(path: Path, model_bytes: bytes, *, feature_count: int) -> OnnxModel:
    try:
        model = OnnxModel(model_bytes)
    except OnnxModelError as error:
        raise BundleError(path, str(error)) from error
    if model.feature_count != feature_count:
        raise BundleError(path, f"takes {model.feature_count} features, but {MANIFEST_FILE} names {feature_count}")
    return model


def _unpack_golden(path: Path, data: bytes, *, feature_count: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
        if unpacked_bytes > MAX_FILE_BYTES:
            raise BundleError(path, f"expected at most {MAX_FILE_BYTES} bytes unpacked, got {unpacked_bytes}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            rows, margins = arrays["rows"], arrays["margins"]
    except (OSError, ValueError, LookupError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        raise BundleError(path, f"is no archive of the arrays 'rows' and 'margins': {error}") from error
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != feature_count:
        raise BundleError(
            path, f"rows: expected float32 of shape [G, {feature_count}], got {rows.dtype} of shape {rows.shape}"
        )
    if margins.dtype != np.float64 or margins.shape != rows.shape[:1]:
        raise BundleError(
            path, f"margins: expected float64 of shape [{len(rows)}], got {margins.dtype} of shape {margins.shape}"
        )
    if len(rows) < MIN_GOLDEN_ROWS:
        raise BundleError(path, f"expected at least {MIN_GOLDEN_ROWS} golden rows, got {len(rows)}")
    return rows, margins
