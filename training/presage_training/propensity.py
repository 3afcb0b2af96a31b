"""Purchase propensity: LightGBM on point-in-time rows, exported to a verified bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from presage_export.bundle import write_bundle
from presage_export.errors import BundleError
from presage_export.gate import check_parity
from presage_export.lightgbm import convert_lightgbm, link_of, tree_count
from presage_export.manifest import FeatureSetSpec, Manifest
from presage_export.parity import ParityReport
from presage_export.session import OnnxModel
from presage_featurizer import FeatureSet
from presage_training.datasets.dataset import Dataset
from presage_training.datasets.splits import split_by_time

__all__ = ["Propensity", "export_propensity", "train_propensity"]

_TRAIN_SHARE, _TUNE_SHARE = 0.8, 0.85
_MOST_TREES, _PATIENCE = 500, 40
_GOLDEN_ROWS = 128
_PARITY_ROWS = 5_000
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    # The same rows give the same trees, on every run.
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Propensity:
    """A trained model, and how it did on sessions that began after all that it was trained on were over."""

    booster: lightgbm.Booster
    """The model."""
    metrics: dict[str, float]
    """On held-out rows: roc_auc, average_precision, log_loss, brier, prevalence; of always saying prevalence: baseline_log_loss."""
    rows: dict[str, int]
    """How many rows each part had: train, tune, test."""
    test: Dataset
    """The held-out rows."""


def train_propensity(dataset: Dataset, *, seed: int) -> Propensity:
    """Train on the log's first part, choose the number of trees on sessions after that, and measure on the last part.

    Args:
        dataset: Labelled rows.
        seed: The same rows and seed give the same model.

    Raises:
        DatasetError: The log is too short to be split.
    """
    known, test = split_by_time(dataset, _TRAIN_SHARE)
    train, tune = split_by_time(known, _TUNE_SHARE)
    # Doubles that came from float32: training, LightGBM's own prediction and serving then see the same numbers.
    train_set = lightgbm.Dataset(train.features.astype(np.float64), train.labels.astype(np.int8))
    tune_set = lightgbm.Dataset(tune.features.astype(np.float64), tune.labels.astype(np.int8), reference=train_set)
    booster = lightgbm.train(
        {**_PARAMETERS, "seed": seed},
        train_set,
        num_boost_round=_MOST_TREES,
        valid_sets=[tune_set],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    return Propensity(
        booster=booster,
        metrics=_measure(test.positive, np.asarray(booster.predict(test.features.astype(np.float64)))),
        rows={"train": len(train), "tune": len(tune), "test": len(test)},
        test=test,
    )


def export_propensity(
    propensity: Propensity,
    directory: Path,
    *,
    feature_set: FeatureSet,
    data: Mapping[str, str | int | float],
    overwrite: bool = False,
) -> ParityReport:
    """Write a model as a bundle, <name>/<version>, after proving that it answers as the original does.

    Args:
        propensity: The trained model.
        directory: Where to; its name is the version, its parent's the name.
        feature_set: What the rows are made of.
        data: What it was trained on, for the manifest.
        overwrite: Whether to replace a bundle that is there.

    Returns:
        What was compared.

    Raises:
        ExportError: The model cannot be exported faithfully, or the folder is there already or has a name that no model can have.
        OSError: The folder cannot be written.
    """
    booster, rows = propensity.booster, propensity.test.features
    model_bytes = convert_lightgbm(booster)
    report = check_parity(booster, OnnxModel(model_bytes), rows[:: max(1, len(rows) // _PARITY_ROWS)])
    golden_rows = rows[:: max(1, len(rows) // _GOLDEN_ROWS)][:_GOLDEN_ROWS]
    try:
        manifest = Manifest(
            name=directory.parent.name,
            version=directory.name,
            feature_set=FeatureSetSpec(**feature_set.definition),
            link=link_of(booster),
            objective="binary",
            trees=tree_count(booster),
            metrics={name: round(value, 6) for name, value in propensity.metrics.items()},
            data={**data, **{f"{part}_rows": count for part, count in propensity.rows.items()}},
            libraries={name: installed_version(name) for name in ("presage", "lightgbm", "onnx", "numpy")},
        )
    except ValueError as error:
        raise BundleError(directory, str(error)) from error
    golden_margins = np.asarray(booster.predict(golden_rows.astype(np.float64), raw_score=True))
    write_bundle(
        directory,
        manifest=manifest,
        model_bytes=model_bytes,
        golden_rows=golden_rows,
        golden_margins=golden_margins,
        overwrite=overwrite,
    )
    return report


def _measure(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    prevalence = float(labels.mean())
    return {
        "roc_auc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "log_loss": float(log_loss(labels, scores)),
        "baseline_log_loss": float(log_loss(labels, np.full(len(labels), prevalence))),
        "brier": float(brier_score_loss(labels, scores)),
        "prevalence": prevalence,
    }
