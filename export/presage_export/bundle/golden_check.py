"""How exactly this host reproduces a bundle's golden rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from presage_export.bundle.bundle import GOLDEN_FILE, MAX_FILE_BYTES, read_file, run_model
from presage_export.bundle.golden import unpack_golden
from presage_export.bundle.manifest import Manifest
from presage_export.bundle.session import OnnxModel
from presage_export.errors import BundleError

__all__ = ["GoldenResult", "measure_golden"]


class GoldenResult(NamedTuple):
    """What came of the golden rows."""

    rows: int
    """How many were scored."""
    max_difference: float
    """The largest difference of a margin from that of the source model."""


def measure_golden(directory: Path, manifest: Manifest, model: OnnxModel) -> GoldenResult:
    """Score the golden rows of a verified bundle; most of it runs beside other threads.

    Raises:
        BundleError: They cannot be read, or not scored.
    """
    path = directory / GOLDEN_FILE
    feature_count = len(manifest.feature_set.features)
    try:
        golden = unpack_golden(
            read_file(path), feature_count=feature_count, max_bytes=MAX_FILE_BYTES, scored=manifest.is_sealed
        )
    except ValueError as error:
        raise BundleError(path, str(error)) from error
    margins = run_model(path, model, golden.rows)
    return GoldenResult(len(golden.rows), float(np.abs(golden.margins - margins).max()))
