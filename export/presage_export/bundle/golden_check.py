"""How exactly this host reproduces a bundle's golden rows."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from presage_export.bundle.bundle import run_model
from presage_export.bundle.files import GOLDEN_FILE, decode_golden_file, read_file
from presage_export.bundle.manifest import Manifest
from presage_export.bundle.session import OnnxModel

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
    golden = decode_golden_file(path, read_file(path), manifest)
    margins = run_model(path, model, golden.rows)
    return GoldenResult(len(golden.rows), float(np.abs(golden.margins - margins).max()))
