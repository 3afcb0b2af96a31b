"""Calibrations, fitted on margins of rows that the model was not trained on."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from presage_export.bundle.calibration import Calibration, IsotonicCalibration, SigmoidCalibration
from presage_export.bundle.link import Link

__all__ = ["CalibrationKind", "fit_calibration"]

CalibrationKind = Literal["sigmoid", "isotonic", "none"]

# A slope below 0 would reverse the ranking, and a model without skill must not look skilful.
_LEAST_SLOPE: Final = 1e-3
_MOST_SLOPE: Final = 100.0
# Twice the steepest slope of the logit; probabilities may need more.
_STEEPEST: Final[dict[Link, float]] = {"logit": 0.5, "identity": 0.5, "probability": 8.0}
_FEWEST_ROWS_OF_KNOT: Final = 20


def fit_calibration(
    kind: CalibrationKind, link: Link, margins: NDArray[np.float64], targets: NDArray[np.float64]
) -> Calibration | None:
    """Fit a calibration.

    Args:
        kind: ``sigmoid`` for Platt's method, with smoothed targets; ``isotonic`` for lines between the centres of the blocks that
            pooling adjacent violators makes (after Oron and Flournoy, 2017, "Centered isotonic regression"); ``none``.
        link: The meaning of the margins.
        margins: Margins of rows that the model was not trained on, float64 ``[N]``.
        targets: 0 or 1, both present, float64 ``[N]``.
    """
    if kind == "none":
        return None
    return _fit_sigmoid(margins, targets) if kind == "sigmoid" else _fit_isotonic(margins, targets, _STEEPEST[link])


def _fit_sigmoid(margins: NDArray[np.float64], targets: NDArray[np.float64]) -> SigmoidCalibration:
    positives = float(targets.sum())
    negatives = len(targets) - positives
    # Platt's smoothed targets.
    smoothed = np.where(targets > 0, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    centre, scale = float(margins.mean()), float(margins.std()) or 1.0
    column = np.concatenate([margins, margins])[:, None]
    classes = np.repeat([1, 0], len(margins))
    # Scaled and nearly unpenalised, so that the solver converges for margins of any scale.
    model = LogisticRegression(C=1e6, tol=1e-8, max_iter=1_000).fit(
        (column - centre) / scale, classes, sample_weight=np.concatenate([smoothed, 1.0 - smoothed])
    )
    a = float(model.coef_[0, 0]) / scale
    if _LEAST_SLOPE <= a <= _MOST_SLOPE:
        return SigmoidCalibration(a=a, b=float(model.intercept_[0]) - a * centre)
    a = min(max(a, _LEAST_SLOPE), _MOST_SLOPE)
    return SigmoidCalibration(a=a, b=math.log(positives / negatives) - a * centre)


def _fit_isotonic(margins: NDArray[np.float64], targets: NDArray[np.float64], steepest: float) -> IsotonicCalibration:
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(margins, targets)
    # Margin, sum of targets and number of rows of each block; half a row of each kind keeps a block from being certain.
    blocks = [
        (float(margins[fitted == value].mean()), float(targets[fitted == value].sum()), int((fitted == value).sum()))
        for value in np.unique(fitted)
    ]
    merged: list[tuple[float, float, int]] = []
    for block in blocks:
        merged.append(block)
        while len(merged) > 1 and _must_merge(merged[-2], merged[-1], steepest):
            merged[-2:] = [_merge(merged[-2], merged[-1])]
    return IsotonicCalibration(
        margins=tuple(margin for margin, _, _ in merged),
        probabilities=tuple(_probability(block) for block in merged),
    )


def _probability(block: tuple[float, float, int]) -> float:
    _, positives, count = block
    return (positives + 0.5) / (count + 1.0)


def _must_merge(lower: tuple[float, float, int], upper: tuple[float, float, int], steepest: float) -> bool:
    rise = _probability(upper) - _probability(lower)
    too_few = min(lower[2], upper[2]) < _FEWEST_ROWS_OF_KNOT
    return too_few or rise < 0.0 or rise > steepest * (upper[0] - lower[0])


def _merge(lower: tuple[float, float, int], upper: tuple[float, float, int]) -> tuple[float, float, int]:
    count = lower[2] + upper[2]
    return (lower[0] * lower[2] + upper[0] * upper[2]) / count, lower[1] + upper[1], count
