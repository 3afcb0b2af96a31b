"""Priors: what is served as long as there is no model, and to the visitors who are held out.

A prior is a bundle like any other: an intercept and a tree for each of the country, the device and the hour, as far as the feature
set has them. It ignores what the visitor did. Its manifest's ``data.kind`` is ``prior``; servers flag the scores of such a bundle.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.additive import AdditiveModel, Leaf, Split, Tree
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.exporter import export_model
from presage_featurizer import CATALOGUE, Device, FeatureSet
from presage_training.datasets.dataset import Dataset

__all__ = ["PRIOR_KIND", "fit_prior", "write_prior"]

PRIOR_KIND: Final = "prior"

_BY: Final = ("country_encoded", "device_encoded", "hour_of_day")
_SMOOTHING_ROWS: Final = 500.0
"""A value's rate counts as much as the overall one when it has so many rows; the rows of a session share its outcome."""
_LEAST_RATE: Final = 1e-4
_GOLDEN_ROWS: Final = 4_096


def fit_prior(dataset: Dataset | None, feature_set: FeatureSet, *, default_rate: float) -> AdditiveModel:
    """Count a prior: the smoothed log-odds of the target by country, device and hour, added up.

    Args:
        dataset: Rows with their labels; None or without rows: the default rate for everyone.
        feature_set: The features of the rows.
        default_rate: What to predict without rows; with few, the overall rate is smoothed towards it.
    """
    count = len(feature_set.features)
    if dataset is None or not len(dataset):
        return AdditiveModel(feature_count=count, link="logit", intercept=_log_odds(default_rate))
    labels = dataset.positive.astype(np.float64)
    base = (float(labels.sum()) + _SMOOTHING_ROWS * default_rate) / (len(labels) + _SMOOTHING_ROWS)
    columns = [feature_set.features.index(name) for name in _BY if name in feature_set.features]
    return AdditiveModel(
        feature_count=count,
        link="logit",
        intercept=_log_odds(base),
        trees=tuple(_tree(column, dataset.features[:, column], labels, base) for column in columns),
        cover_weighting="rows" if columns else None,
    )


def write_prior(
    directory: Path,
    dataset: Dataset | None,
    feature_set: FeatureSet,
    *,
    target: str,
    decisions: str,
    default_rate: float,
) -> None:
    """Count a prior, and write it as a bundle, NAME/VERSION.

    Args:
        directory: The bundle's folder.
        dataset: See ``fit_prior``.
        feature_set: The features of the rows.
        target: What is predicted, for the manifest.
        decisions: When, for the manifest.
        default_rate: See ``fit_prior``.

    Raises:
        ExportError: The folder is there already.
        OSError: The folder cannot be written.
    """
    rows = 0 if dataset is None else len(dataset)
    positives = 0 if dataset is None else int(dataset.positive.sum())
    export_model(
        fit_prior(dataset, feature_set, default_rate=default_rate),
        directory,
        rows=_rows(dataset, feature_set),
        feature_set=FeatureSetSpec(**feature_set.definition),
        objective="binary",
        data={
            "kind": PRIOR_KIND,
            "target": target,
            "decisions": decisions,
            "default_rate": default_rate,
            "rows": rows,
            "positives": positives,
        },
    )


def _rows(dataset: Dataset | None, feature_set: FeatureSet) -> NDArray[np.float32]:
    """Return rows to prove the export on: every hour, device and country of a visitor who has done nothing, and real ones."""
    defaults = [CATALOGUE[name].default if name in CATALOGUE else 0.0 for name in feature_set.features]
    cold = np.array([default or 0.0 for default in defaults], np.float32)
    possible = {
        "hour_of_day": range(24),
        "device_encoded": [int(device) for device in Device],
        "country_encoded": range(min(len(feature_set.countries) + 1, 16)),
    }
    varied = {
        feature_set.features.index(name): values for name, values in possible.items() if name in feature_set.features
    }
    combinations = list(itertools.product(*varied.values()))
    rows = np.tile(cold, (max(len(combinations), 32), 1))
    if varied:
        rows[: len(combinations), list(varied)] = np.array(combinations, np.float32)
    if dataset is not None and len(dataset):
        rows = np.concatenate([rows, dataset.features[:: max(1, len(dataset) // _GOLDEN_ROWS)]])
    return rows


def _tree(column: int, values: NDArray[np.float32], labels: NDArray[np.float64], base: float) -> Tree:
    """Make a tree of one feature with a leaf for each of its values: how far its log-odds are from those of all."""
    found, inverse = np.unique(values, return_inverse=True)
    counts = np.bincount(inverse).astype(np.float64)
    rates = (np.bincount(inverse, labels) + _SMOOTHING_ROWS * base) / (counts + _SMOOTHING_ROWS)
    effects = [_log_odds(float(rate)) - _log_odds(base) for rate in rates]
    # A value between two known ones goes to the lower one.
    return _balanced(column, [float(value) for value in found], effects, counts.tolist())


def _balanced(column: int, values: Sequence[float], effects: Sequence[float], counts: Sequence[float]) -> Tree:
    nodes: list[Split | Leaf] = []

    def add(low: int, high: int) -> int:
        position = len(nodes)
        nodes.append(Leaf(effects[low], position, cover=counts[low]))
        if high - low > 1:
            middle = (low + high) // 2
            # Halfway: values are whole numbers, and `value <= threshold` goes left.
            threshold = np.float32((values[middle - 1] + values[middle]) / 2.0)
            left, right = add(low, middle), add(middle, high)
            nodes[position] = Split(
                column, threshold, nan_goes_left=True, left=left, right=right, cover=sum(counts[low:high])
            )
        return position

    add(0, len(values))
    return tuple(nodes)


def _log_odds(rate: float) -> float:
    clipped = min(max(rate, _LEAST_RATE), 1.0 - _LEAST_RATE)
    return math.log(clipped / (1.0 - clipped))
