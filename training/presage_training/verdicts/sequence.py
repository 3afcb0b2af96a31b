"""Confidence sequences: intervals that stay valid however often they are looked at.

A fixed 95 % interval that is looked at 60 times raises a false alarm in about a third of unchanged cases. A sequence holds at all
looks at once. The formula is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
central limit theory and asymptotic confidence sequences" (https://arxiv.org/abs/2103.06476), theorem 2.2.
"""

from __future__ import annotations

from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_training.errors import VerdictError

__all__ = ["TIGHTEST_AT", "Interval", "confidence_sequence"]

TIGHTEST_AT = 5_000
"""The number of rows at which intervals are tightest, relative to fixed ones, unless given."""


class Interval(NamedTuple):
    """An estimate with the ends of its interval, which are infinite with fewer than two rows."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the value differs from 0."""
        return self.low > 0.0 or self.high < 0.0


def confidence_sequence(
    values: NDArray[np.float64], *, alpha: float = 0.05, tightest_at: int = TIGHTEST_AT
) -> Interval:
    """Estimate the mean of independent values, such that all intervals of a growing sequence hold at once.

    It is asymptotic: with very few values, or when almost all of them are equal, it promises too much.

    Args:
        values: Those that are known so far, float64 of shape (rows,).
        alpha: The probability that the mean is ever outside, over all looks.
        tightest_at: The number of values at which the interval is to be tightest; the same at every look.

    Returns:
        Their mean, and the interval.

    Raises:
        VerdictError: ``alpha`` is not between 0 and 1, or ``tightest_at`` is below 1.
    """
    if not 0.0 < alpha < 1.0:
        raise VerdictError(f"alpha: expected a number above 0 and below 1, got {alpha}")
    if tightest_at < 1:
        raise VerdictError(f"tightest_at: expected 1 or more, got {tightest_at}")
    count = len(values)
    mean = float(np.mean(values)) if count else 0.0
    if count < 2:
        return Interval(mean, -np.inf, np.inf)
    rho_squared = (-2.0 * log(alpha) + log(-2.0 * log(alpha) + 1.0)) / tightest_at
    grown = count * rho_squared + 1.0
    half_width = float(np.std(values, ddof=1)) * sqrt(2.0 * grown / (count**2 * rho_squared) * log(sqrt(grown) / alpha))
    return Interval(mean, mean - half_width, mean + half_width)
