"""Measures a model's scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_training.datasets.dataset import Dataset
from presage_training.report.curves import calibration_curve, histogram, precision_recall_curve, roc_curve
from presage_training.report.explained import Explanations
from presage_training.report.metrics import Metric, MetricDraws, Resamples
from presage_training.report.results import ModelResult, SliceResult
from presage_training.report.slices import slices_of

__all__ = ["MeasuredModel", "measure_model", "skill_name"]

_SLICE_METRICS = ("roc_auc", "pr_auc", "log_loss", "brier", "rmse", "mae", "r2")
_SLICE_DRAWS = 200


@dataclass(frozen=True, slots=True)
class MeasuredModel:
    """A result, with its draws for comparisons with other models over the same rows."""

    result: ModelResult
    draws: MetricDraws


def skill_name(dataset: Dataset) -> str:
    """Return the name of the metric that models are ranked by."""
    return "roc_auc" if dataset.labels.dtype == np.bool_ else "r2"


def measure_model(
    kind: str,
    rows: Dataset,
    scores: NDArray[np.float64],
    resamples: Resamples,
    *,
    threshold: float | None = None,
    is_baseline: bool = False,
    baseline: MetricDraws | None = None,
    gain: Mapping[str, float] | None = None,
    permutation: Mapping[str, float] | None = None,
    explanations: Explanations | None = None,
    parameters: Mapping[str, Any] | None = None,
    seconds: Mapping[str, float] | None = None,
) -> MeasuredModel:
    """Measure scores of rows that the model was not trained on.

    Args:
        kind: The model's name.
        rows: The rows.
        scores: Probabilities or amounts, one for each row.
        resamples: Draws of the same rows.
        threshold: The lowest score that counts as positive; 0.5 by default.
        is_baseline: Whether others are measured against it.
        baseline: The best baseline over the same draws.
        gain: See ``ModelResult``.
        permutation: See ``ModelResult``.
        explanations: See ``ModelResult``.
        parameters: See ``ModelResult``.
        seconds: See ``ModelResult``.
    """
    classifies = rows.labels.dtype == np.bool_
    labels = rows.labels.astype(np.bool_)
    threshold = 0.5 if threshold is None else threshold
    draws = resamples.measure(scores, threshold=threshold)
    ahead = None if baseline is None or is_baseline else draws.difference(baseline, skill_name(rows))
    result = ModelResult(
        kind=kind,
        is_baseline=is_baseline,
        metrics=draws.metrics(),
        ahead=ahead,
        threshold=threshold if classifies else None,
        roc=roc_curve(labels, scores) if classifies else (),
        precision_recall=precision_recall_curve(labels, scores) if classifies else (),
        calibration=calibration_curve(labels, scores) if classifies else (),
        histogram=histogram(labels, scores) if classifies else None,
        gain=gain,
        permutation=permutation,
        explanations=explanations,
        slices=() if is_baseline else _slices(rows, scores, resamples, threshold),
        parameters=parameters or {},
        seconds=seconds or {},
    )
    return MeasuredModel(result, draws)


def _slices(rows: Dataset, scores: NDArray[np.float64], whole: Resamples, threshold: float) -> tuple[SliceResult, ...]:
    results = []
    for by, name, mask in slices_of(rows):
        resamples = Resamples(
            labels=rows.labels[mask],
            visitors=rows.visitors[mask],
            seed=whole.seed,
            draws=_SLICE_DRAWS,
            folds=None if whole.folds is None else whole.folds[mask],
        )
        metrics: dict[str, Metric] = resamples.measure(scores[mask], threshold=threshold).metrics()
        results.append(
            SliceResult(
                by=by,
                name=name,
                rows=int(mask.sum()),
                positives=int(rows.positive[mask].sum()),
                metrics={name: metric for name, metric in metrics.items() if name in _SLICE_METRICS},
            )
        )
    return tuple(results)
