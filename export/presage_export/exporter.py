"""Export a trained model of any kind as a verified bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel
from presage_export.bundle import write_bundle
from presage_export.bundle.calibration import Calibration
from presage_export.bundle.explaining.covers import pack_covers
from presage_export.bundle.explaining.reading import EXPLAIN_FILE
from presage_export.bundle.manifest import FeatureSetSpec, Manifest
from presage_export.bundle.parity import ParityReport
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_structure
from presage_export.covers import read_covers
from presage_export.errors import BundleError
from presage_export.gate import check_original
from presage_export.golden_rows import choose_golden_rows
from presage_export.graph import build_graph
from presage_export.reading.importances import name_importances
from presage_export.reading.source_model import read_source_model

__all__ = ["export_model", "library_versions"]

# Some libraries are distributed under more than one name.
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
    optional_files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> ParityReport:
    """Write a trained model as a bundle, <name>/<version>, after checking that the export scores as the model itself does.

    The same arguments give the same bytes.

    Args:
        trained: Any model that ``read_source_model`` accepts.
        directory: The target; its name is the version, its parent's name the model's.
        rows: Real rows for the parity check, float32 ``[N, F]``, N at least 32; the golden rows are made from some, and
            explanations of a linear part compare a row with their mean.
        feature_set: The features of the rows.
        objective: The training objective, for the manifest.
        calibration: Replaces the link when serving, if given.
        metrics: Quality on held-out data, for the manifest.
        data: The training data, for the manifest.
        missing_values: Whether rows may contain NaN when serving.
        optional_files: Further files by name, of OPTIONAL_FILES; ``explain.npz`` is written in any case.
        overwrite: Whether to replace an existing bundle.

    Raises:
        ExportError: The model cannot be exported faithfully, or the directory exists already or its name is not a valid model name.
        ValueError: ``rows`` is not float32 ``[N, F]``, or is empty.
        OSError: The directory cannot be written.
    """
    source = read_source_model(trained)
    model_bytes = build_graph(source.model)
    report = check_original(
        source, OnnxModel(model_bytes), rows, calibration=calibration, missing_values=missing_values
    )
    try:
        ensemble = check_structure(model_bytes, feature_count=source.model.feature_count)
        golden_rows = choose_golden_rows(ensemble, rows, missing_values=missing_values)
        manifest = Manifest(
            name=directory.parent.name,
            version=directory.name,
            feature_set=feature_set,
            link=source.model.link,
            calibration=calibration,
            objective=objective,
            trees=len(source.model.trees),
            metrics=dict(metrics or {}),
            data=dict(data or {}),
            libraries=library_versions(source.libraries),
            importances=name_importances(trained, rows, feature_set.features),
        )
    except ValueError as error:
        raise BundleError(directory, str(error)) from error
    write_bundle(
        directory,
        manifest=manifest,
        model_bytes=model_bytes,
        golden_rows=golden_rows,
        golden_margins=source.margins(golden_rows),
        optional_files={**(optional_files or {}), **_explain_file(source.model, rows)},
        overwrite=overwrite,
    )
    return report


def _explain_file(model: AdditiveModel, rows: NDArray[np.float32]) -> dict[str, bytes]:
    covers = read_covers(model, rows)
    return {} if covers is None else {EXPLAIN_FILE: pack_covers(covers)}


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of the libraries that trained and exported a model."""
    return {name: _version(name) for name in sorted({"presage-scoring", "onnx", "numpy", *libraries})}


def _version(library: str) -> str:
    for name in _DISTRIBUTIONS.get(library, (library,)):
        try:
            return installed_version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
