"""How far shares of rows are from those of a baseline, and how likely such a distance is by chance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.layout import Layout

__all__ = [
    "CERTAINLY",
    "SHARES",
    "SHARE_TESTS",
    "SharesMeasure",
    "chance_of_distance",
    "chance_of_normal",
    "chance_of_skewed",
    "distances",
    "places_of_shares",
    "smoothed_shares",
]

SHARES = ("zeros", "defaults", "missing")
"""The shares of rows that are compared on their own."""

SHARE_TESTS = (*SHARES, "level")
"""What ``SharesMeasure`` measures, in this order."""

CERTAINLY = 2.5
"""An effect counts as far as it is larger than this many standard deviations."""


def smoothed_shares(counts: NDArray[np.int64], layout: Layout, *, more_rows: float = 0.5) -> NDArray[np.float64]:
    """Return the share of each bin in its column, ``[bins]``, with half a row more in each (Jeffreys), so that none is 0."""
    more = counts + more_rows
    return more / _per_bin(np.add.reduceat(more, layout.starts_of_bins[:-1]), layout)


def distances(
    counts: NDArray[np.float64] | NDArray[np.int64], expected: NDArray[np.float64], layout: Layout
) -> NDArray[np.float64]:
    """Measure how far each column is from what is expected, ``[..., C]``: 0 if shares are equal, 4 without a bin in common.

    It is the sum of ``(found - expected)² / mean of both`` (Vincze and Le Cam). Near 0 that is chi-squared, and its root Cohen's w:
    0.1 is small, 0.3 medium. Unlike chi-squared, it is not ruled by bins that hardly ever occur: one odd visitor is no drift.

    Args:
        counts: Rows in each bin, ``[..., bins]``.
        expected: The share of each bin, ``[bins]`` or as counts; above 0.
        layout: The bins.
    """
    first = layout.starts_of_bins[:-1]
    rows = np.add.reduceat(counts, first, axis=-1)
    shares = counts / np.maximum(1, _per_bin(rows, layout))
    result: NDArray[np.float64] = np.add.reduceat(2.0 * (shares - expected) ** 2 / (shares + expected), first, axis=-1)
    return result


def places_of_shares(layout: Layout, defaults: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bins of zeros, of defaults other than 0, and of missing values of each column, ``[3, C]``; -1 without one."""
    places = np.full((len(SHARES), layout.columns), -1, np.int64)
    for column, default in enumerate(defaults):
        places[0, column] = layout.bin_at(column, 0.0)
        if default != 0.0 and not math.isnan(default):
            places[1, column] = layout.bin_at(column, default)
        places[2, column] = layout.starts_of_bins[column]
    return places


class SharesMeasure:
    """Measures the shares of zeros, defaults and missing values, and the level: the share of the baseline that a row is above.

    The level, of which a half is usual, tells when all values have become somewhat larger or smaller, long before the distance does
    (Mann and Whitney).

    Args:
        layout: The bins.
        defaults: The default of each column; NaN without one.
        expected: The usual share of each bin.
    """

    def __init__(self, layout: Layout, defaults: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
        self._first = layout.starts_of_bins[:-1]
        self._places = places_of_shares(layout, defaults)
        before = np.cumsum(expected) - expected
        self._ranks = before - _per_bin(before[self._first], layout) + expected / 2
        self.exists = np.vstack([self._places >= 0, np.ones((1, layout.columns), np.bool_)])
        """Whether a column has such a value, ``[4, C]``."""
        self.expected: NDArray[np.float64] = self._join(expected[self._places], np.full(layout.columns, 0.5))
        """What is usual, ``[4, C]``; 0 where a column has no such value."""

    def of(self, counts: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Measure rows in bins, ``[..., bins]``; returns ``[..., 4, C]``."""
        rows = np.maximum(1, np.add.reduceat(counts, self._first, axis=-1))
        level = np.add.reduceat(counts * self._ranks, self._first, axis=-1) / rows
        return self._join(counts[..., self._places] / rows[..., None, :], level)

    def _join(self, shares: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.concatenate([shares, level[..., None, :]], axis=-2)
        return np.where(self.exists, result, 0.0)


def chance_of_distance(distance: float, *, mean: float, deviation: float) -> float:
    """Return the chance of at least this distance, where unchanged ones have such a mean and deviation.

    Their distribution is that of a multiple of a chi-squared variable (Satterthwaite), whose tail is the normal's after a cube root
    (Wilson and Hilferty).
    """
    if mean <= 0.0 or deviation <= 0.0:
        return 1.0 if distance <= mean else 0.0
    freedom = 2.0 * (mean / deviation) ** 2
    spread = 2.0 / (9.0 * freedom)
    return chance_of_normal(((max(0.0, distance) / mean) ** (1 / 3) - (1.0 - spread)) / math.sqrt(spread))


def chance_of_normal(z: float) -> float:
    """Return the chance that a normal variable is above ``z``."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def chance_of_skewed(z: float, *, skew: float) -> float:
    """Return the chance that a variable of mean 0, deviation 1 and such a skewness is above ``z``.

    It is taken as a gamma variable, whose tail is the normal's after a cube root (Wilson and Hilferty). Where it leans to the other
    side, the tail is shorter than the normal's: that is used.
    """
    if skew < 1e-3:
        return chance_of_normal(z)
    root = max(0.0, 1.0 + skew * z / 2.0) ** (1 / 3)
    return chance_of_normal(6.0 / skew * (root - 1.0 + skew**2 / 36.0))


def _per_bin(values: NDArray[np.float64] | NDArray[np.int64], layout: Layout) -> NDArray[np.float64]:
    return np.repeat(values, np.diff(layout.starts_of_bins), axis=-1)
