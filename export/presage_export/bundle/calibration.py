"""Calibrated probabilities from margins, in double precision outside the graph.

In a float32 graph, a rounding error beside a step of an isotonic curve would move a score by the height of the step. Here the curve
is made of straight lines between knots, and their slope is bounded.

A calibration replaces the model's link: its input is the margin.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec

from presage_export.bundle.link import Link, apply_link, logistic

__all__ = ["MAX_CALIBRATION_SLOPE", "Calibration", "IsotonicCalibration", "SigmoidCalibration", "to_scores"]

MAX_CALIBRATION_SLOPE: Final = 25.0
"""Steepest slope, in probability per unit of margin: how much a margin's rounding error can grow."""

_MAX_KNOTS = 10_000


class SigmoidCalibration(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sigmoid"
):
    """``1 / (1 + exp(-(a * margin + b)))``, after Platt (1999), "Probabilistic outputs for support vector machines"."""

    a: float
    """The slope: positive, so that order is kept, and at most ``4 * MAX_CALIBRATION_SLOPE``."""
    b: float
    """The offset: finite."""

    def __post_init__(self) -> None:
        # A sigmoid is steepest in its middle, where the slope is a / 4.
        if not 0.0 < self.a <= 4.0 * MAX_CALIBRATION_SLOPE:
            raise ValueError(
                f"calibration.a: expected more than 0 and at most {4 * MAX_CALIBRATION_SLOPE}, got {self.a}"
            )
        if not math.isfinite(self.b):
            raise ValueError(f"calibration.b: expected a finite number, got {self.b}")

    def apply(self, margin: float) -> float:
        """Turn a margin into a probability; NaN stays NaN."""
        return logistic(self.a * margin + self.b)


class IsotonicCalibration(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="isotonic"
):
    """Linear interpolation between knots, constant before the first and after the last."""

    margins: tuple[float, ...]
    """Margins of the knots, strictly increasing."""
    probabilities: tuple[float, ...]
    """Probabilities at the knots, 0 to 1, never decreasing."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.margins) == len(self.probabilities) <= _MAX_KNOTS:
            raise ValueError(
                f"calibration: expected 1 to {_MAX_KNOTS} margins and as many probabilities, "
                f"got {len(self.margins)} and {len(self.probabilities)}"
            )
        rising = all(low < high for low, high in pairwise(self.margins))
        if not rising or not all(math.isfinite(margin) for margin in self.margins):
            raise ValueError("calibration.margins: expected finite numbers, each above the one before")
        never_falling = all(low <= high for low, high in pairwise(self.probabilities))
        if not never_falling or not all(0.0 <= probability <= 1.0 for probability in self.probabilities):
            raise ValueError("calibration.probabilities: expected 0 to 1, none below the one before")
        for (low, high), (below, above) in zip(pairwise(self.margins), pairwise(self.probabilities), strict=True):
            if above - below > MAX_CALIBRATION_SLOPE * (high - low):
                raise ValueError(
                    f"calibration: rises from {below} to {above} between the margins {low} and {high}, "
                    f"steeper than {MAX_CALIBRATION_SLOPE}"
                )

    def apply(self, margin: float) -> float:
        """Turn a margin into a probability; NaN stays NaN."""
        if math.isnan(margin):
            return margin
        index = bisect_right(self.margins, margin)
        if index == 0:
            return self.probabilities[0]
        if index == len(self.margins):
            return self.probabilities[-1]
        low, high = self.margins[index - 1], self.margins[index]
        below, above = self.probabilities[index - 1], self.probabilities[index]
        # Rounding may exceed the upper knot, and order would be lost.
        return min(above, below + (above - below) * ((margin - low) / (high - low)))


Calibration = SigmoidCalibration | IsotonicCalibration
"""Either kind; distinguished by the field ``kind`` in JSON."""


def to_scores(link: Link, calibration: Calibration | None, margins: Iterable[float]) -> list[float]:
    """Turn margins into the scores that are served: through the calibration if there is one, otherwise through the link."""
    if calibration is not None:
        return [calibration.apply(margin) for margin in margins]
    if link == "logit":  # the common case, without comparing names for each row
        return [logistic(margin) for margin in margins]
    return [apply_link(link, margin) for margin in margins]
