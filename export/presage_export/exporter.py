"""From a trained model of any kind to a bundle that serves, or to the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import write_bundle
from presage_export.bundle.calibration import Calibration
from presage_export.bundle.manifest import FeatureSetSpec, Manifest
from presage_export.bundle.parity import ParityReport
from presage_export.bundle.session import OnnxModel
from presage_export.errors import BundleError
from presage_export.gate import check_original
from presage_export.graph import build_graph
from presage_export.reading.source_model import read_source_model

__all__ = ["export_model"]

_GOLDEN_ROWS = 128
# Some libraries come under more than one name.
_DISTRIBUTIONS = {"xgboost": ("xgboost", "xgboost-cpu")}


def export_model(
    trained: Any,
    directory: Path,
    *,
    rows: NDArray[np.float32],
    feature_set: FeatureSetSpec,
    objective: str,
    calibration: Calibration | None = None,
    metrics: Mapping[str, float] | None = None,
    data: Mapping[str, str | int | float] | None = None,
    missing_values: bool = False,
    overwrite: bool = False,
) -> ParityReport:
    """Write a trained model as a bundle, <name>/<version>, after proving that it answers as the original does.

    The same arguments give the same bytes.

    Args:
        trained: What ``read_source_model`` takes.
        directory: Where to; its name is the version, its parent's the name.
        rows: Real rows to prove it on, float32 ``[N, F]``, N at least 32; some become the golden rows.
        feature_set: What the rows are made of.
        objective: What it was trained for, for the manifest.
        calibration: What takes the link's place when it serves, if anything does.
        metrics: How well it does, for the manifest.
        data: What it was trained on, for the manifest.
        missing_values: Whether it will be served NaN.
        overwrite: Whether to replace a bundle that is there.

    Returns:
        What was compared.

    Raises:
        ExportError: The model cannot be exported faithfully, or the folder is there already or has a name that no model can have.
        ValueError: ``rows`` is no float32 ``[N, F]``, or is empty.
        OSError: The folder cannot be written.
    """
    original = read_source_model(trained)
    model_bytes = build_graph(original.model)
    report = check_original(
        original, OnnxModel(model_bytes), rows, calibration=calibration, missing_values=missing_values
    )
    golden_rows = rows[:: max(1, len(rows) // _GOLDEN_ROWS)][:_GOLDEN_ROWS]
    try:
        manifest = Manifest(
            name=directory.parent.name,
            version=directory.name,
            feature_set=feature_set,
            link=original.model.link,
            calibration=calibration,
            objective=objective,
            trees=len(original.model.trees),
            metrics=dict(metrics or {}),
            data=dict(data or {}),
            libraries={name: _version(name) for name in sorted({"presage", "onnx", "numpy", *original.libraries})},
        )
    except ValueError as error:
        raise BundleError(directory, str(error)) from error
    write_bundle(
        directory,
        manifest=manifest,
        model_bytes=model_bytes,
        golden_rows=golden_rows,
        golden_margins=original.margins(golden_rows),
        overwrite=overwrite,
    )
    return report


def _version(library: str) -> str:
    for name in _DISTRIBUTIONS.get(library, (library,)):
        try:
            return installed_version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
