"""Metrics of scores, each with a confidence interval from a bootstrap over visitors.

Rows of one visitor are correlated, so visitors are drawn, not rows; drawing rows would make intervals too narrow (Efron and
Tibshirani, 1993, "An introduction to the bootstrap", chapter 8). All models of a comparison are measured on the same draws, so that
intervals of their differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSIFICATION_METRICS", "REGRESSION_METRICS", "Metric", "MetricDraws", "Resamples", "best_threshold"]

Floats = NDArray[np.float64]

CLASSIFICATION_METRICS = (
    "roc_auc", "pr_auc", "log_loss", "brier", "accuracy", "precision", "recall", "lift_at_10_percent",
)  # fmt: skip
"""The metrics of labels that are true or false; ``pr_auc`` is average precision."""

REGRESSION_METRICS = ("rmse", "mae", "r2")
"""The metrics of labels that are amounts."""

_TOP_SHARE = 0.1
_COVERAGE_PERCENT = 95.0
_NEAREST_TO_CERTAIN = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A value and its 95 % interval; None if undefined, such as a ROC-AUC of positive rows only."""

    value: float | None
    """Over all rows."""
    low: float | None
    """2.5th percentile over the draws."""
    high: float | None
    """97.5th percentile over the draws."""


@dataclass(frozen=True, slots=True)
class MetricDraws:
    """The metrics of one model over all rows and over each draw."""

    samples: dict[str, Floats]
    """Shape (1 + draws,) for each metric: over the rows as they are, then over each draw; NaN where undefined."""

    def metrics(self) -> dict[str, Metric]:
        return {name: _summary(samples) for name, samples in self.samples.items()}

    def difference(self, other: MetricDraws, name: str) -> Metric:
        """Return how much greater a metric is than that of another model over the same draws."""
        return _summary(self.samples[name] - other.samples[name])


@dataclass(frozen=True, kw_only=True)
class Resamples:
    """Labelled rows, and draws of their visitors with replacement.

    Raises:
        ValueError: The arrays differ in length, there is no row, or there are fewer than 2 draws.
    """

    labels: NDArray[np.bool_] | Floats
    """Shape (rows,): true or false, or amounts."""
    visitors: NDArray[np.int64]
    """Shape (rows,): the visitor's number."""
    seed: int
    """The same seed draws the same visitors."""
    draws: int = 500
    """The number of draws."""
    folds: NDArray[np.int64] | None = None
    """Shape (rows,): the fold whose model scored the row, in cross-validation; no visitor is in two folds. Visitors are drawn
    within folds and metrics are means over them: scores of several models have several scales, and ranking them together would
    compare folds."""
    _visitor_indices: NDArray[np.intp] = field(init=False, repr=False)
    _visitor_count: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.labels.shape != self.visitors.shape or not len(self.labels):
            raise ValueError(f"expected as many labels as visitors, and any, got {self.labels.shape}")
        if self.draws < 2:
            raise ValueError(f"draws: expected at least 2, got {self.draws}")
        unique, indices = np.unique(self.visitors, return_inverse=True)
        object.__setattr__(self, "_visitor_indices", indices)
        object.__setattr__(self, "_visitor_count", len(unique))

    def measure(self, scores: Floats, *, threshold: float = 0.5) -> MetricDraws:
        """Measure a model's scores of the rows.

        Args:
            scores: Probabilities or amounts, float64 ``[N]``.
            threshold: The lowest score that counts as positive, for accuracy, precision and recall.
        """
        if self.folds is not None:
            return self._measure_folds(self.folds, scores, threshold)
        names: tuple[str, ...] = CLASSIFICATION_METRICS
        if self.labels.dtype == np.bool_:
            measure = _classification(self.labels.astype(np.bool_), scores, threshold)
        else:
            measure, names = _regression(self.labels.astype(np.float64), scores), REGRESSION_METRICS
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.array([measure(weights) for weights in self._weights()])
        return MetricDraws(dict(zip(names, found.T, strict=True)))

    def _measure_folds(self, folds: NDArray[np.int64], scores: Floats, threshold: float) -> MetricDraws:
        parts = []
        for fold in np.unique(folds):
            of_fold = folds == fold
            part = replace(
                self,
                labels=self.labels[of_fold],
                visitors=self.visitors[of_fold],
                seed=self.seed + int(fold),
                folds=None,
            )
            parts.append(part.measure(scores[of_fold], threshold=threshold).samples)
        return MetricDraws({name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]})

    def _weights(self) -> Iterator[Floats]:
        yield np.ones(len(self.labels))
        random = np.random.default_rng(self.seed)
        for _ in range(self.draws):
            drawn = random.integers(self._visitor_count, size=self._visitor_count)
            yield np.bincount(drawn, minlength=self._visitor_count)[self._visitor_indices].astype(np.float64)


def best_threshold(labels: NDArray[np.bool_], scores: Floats) -> float:
    """Find the threshold with the best F1; there are positive and negative labels.

    Choose it on other rows than those that are measured.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2.0 * hits / (np.arange(1, len(order) + 1) + hits[-1])
    # Tied rows cannot be separated by a threshold.
    ends = np.append(np.diff(scores[order]) != 0.0, True)
    return float(scores[order][int(np.argmax(np.where(ends, f1, -1.0)))])


def _classification(labels: NDArray[np.bool_], scores: Floats, threshold: float) -> Callable[[Floats], tuple[Any, ...]]:
    order = np.argsort(-scores, kind="stable")
    ties = np.flatnonzero(np.append(True, np.diff(scores[order]) != 0.0))
    clipped = np.clip(scores, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    losses = -np.where(labels, np.log(clipped), np.log1p(-clipped))
    squares = (scores - labels) ** 2
    called = scores >= threshold
    hits, right = called & labels, called == labels

    def measure(weights: Floats) -> tuple[Any, ...]:
        positives = np.add.reduceat((weights * labels)[order], ties)
        rows = np.add.reduceat(weights[order], ties)
        above, rows_above = np.cumsum(positives), np.cumsum(rows)
        all_positives, all_rows = above[-1], rows_above[-1]
        all_negatives = all_rows - all_positives
        roc = ((rows - positives) * (above - positives / 2)).sum() / (all_positives * all_negatives)
        precision = np.where(rows_above > 0, above / rows_above, 0.0)
        # Of rows that tie at the border of the tenth, the expected number of positives counts.
        found = np.interp(_TOP_SHARE * all_rows, np.append(0.0, rows_above), np.append(0.0, above))
        return (
            roc,
            (positives * precision).sum() / all_positives,
            weights @ losses / all_rows,
            weights @ squares / all_rows,
            weights @ right / all_rows,
            np.float64(weights @ hits) / (weights @ called),
            weights @ hits / all_positives,
            found / (_TOP_SHARE * all_positives),
        )

    return measure


def _regression(labels: Floats, scores: Floats) -> Callable[[Floats], tuple[Any, ...]]:
    errors = scores - labels

    def measure(weights: Floats) -> tuple[Any, ...]:
        total = weights.sum()
        mean_square = weights @ errors**2 / total
        variance = weights @ (labels - weights @ labels / total) ** 2 / total
        return np.sqrt(mean_square), weights @ np.abs(errors) / total, 1.0 - mean_square / variance

    return measure


def _summary(samples: Floats) -> Metric:
    drawn = samples[1:][np.isfinite(samples[1:])]
    value = float(samples[0])
    if not np.isfinite(value) or not len(drawn):
        return Metric(value=None, low=None, high=None)
    low, high = np.percentile(drawn, [50.0 - _COVERAGE_PERCENT / 2, 50.0 + _COVERAGE_PERCENT / 2])
    return Metric(value=value, low=float(low), high=float(high))
