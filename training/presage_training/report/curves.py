"""Curves: ROC, precision-recall, calibration, and the distribution of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_training.report.axes import Axis

__all__ = ["Curve", "Histogram", "calibration_curve", "histogram", "precision_recall_curve", "roc_curve"]

Curve = Sequence[tuple[float, float]]
"""Points x, y."""

_MOST_POINTS = 200
_CALIBRATION_PARTS = 10
_BINS = 40
_OUTERMOST = 0.01
_DECIMALS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Shares of the negative and of the positive rows whose score is in each of equal bins.

    The outermost bins also count the scores beyond them.
    """

    first: float
    """The start of the first bin."""
    last: float
    """The end of the last bin."""
    negative: tuple[float, ...]
    positive: tuple[float, ...]
    beyond: float = 0.0
    """The share of the rows, of either kind, whose score is beyond the bins."""


def roc_curve(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """Trace false and true positive rate; empty unless there are positive and negative rows."""
    found, passed = _counts(labels, scores)
    if not found[-1] or not passed[-1] - found[-1]:
        return ()
    return _thinned((passed - found) / (passed[-1] - found[-1]), found / found[-1])


def precision_recall_curve(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """Trace recall and precision; empty without a positive row."""
    found, passed = (counts[1:] for counts in _counts(labels, scores))
    return _thinned(found / found[-1], found / passed) if found[-1] else ()


def calibration_curve(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Curve:
    """Trace the mean score and the share of positives of each tenth of the rows, by score; tied rows stay together."""
    edges = np.unique(np.quantile(scores, np.arange(1, _CALIBRATION_PARTS) / _CALIBRATION_PARTS))
    part = np.searchsorted(edges, scores, side="left")
    rows = np.bincount(part)
    kept = rows > 0
    means = np.bincount(part, weights=scores)[kept] / rows[kept]
    return _thinned(means, np.bincount(part, weights=labels)[kept] / rows[kept])


def histogram(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> Histogram:
    """Count scores in bins around all but the outermost scores of either kind; from 0 to 1 where they span half of that."""
    kinds = scores[~labels], scores[labels]
    ends = [np.quantile(of_kind, (_OUTERMOST, 1.0 - _OUTERMOST)) for of_kind in kinds if len(of_kind)]
    axis = Axis.around(np.concatenate(ends).tolist())
    within = axis.first, axis.last
    shares = [
        np.histogram(np.clip(of_kind, *within), bins=_BINS, range=within)[0] / max(1, len(of_kind)) for of_kind in kinds
    ]
    negative, positive = (tuple(np.round(share, _DECIMALS).tolist()) for share in shares)
    beyond = float(np.mean((scores < axis.first) | (scores > axis.last)))
    return Histogram(
        first=axis.first, last=axis.last, negative=negative, positive=positive, beyond=round(beyond, _DECIMALS)
    )


def _counts(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count the positives among, and the rows of, the first 0, then those above each distinct score, down to all."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    return np.append(0, np.cumsum(labels[order])[ends]), np.append(0, ends + 1)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(np.intp))
    return tuple(zip(np.round(x[kept], _DECIMALS).tolist(), np.round(y[kept], _DECIMALS).tolist(), strict=True))
