"""By how much spans differ by chance: found from visitors, each with all rows of a span, as rows of one visitor are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.hours import Window
from presage_export.drift.layout import Layout
from presage_export.drift.measures import SharesMeasure, distances

__all__ = ["SIZES", "Chance", "Units", "find_chance", "spans_of_rows"]

SIZES: Final = (100, 300, 1000, 3000, 10_000)
"""Numbers of visitors that are drawn."""
_DRAWS = 400
_DRAWS_AT_ONCE = 100
_MAX_UNITS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Units:
    """The rows of each visitor in each span."""

    counts: NDArray[np.float32]
    """Rows in each bin, ``[U, bins]``."""
    rows: NDArray[np.float32]
    """``[U]``."""

    @classmethod
    def of(
        cls,
        bins: NDArray[np.int32],
        visitors: NDArray[np.int64],
        span_of_row: NDArray[np.int64],
        *,
        all_bins: int,
        rng: np.random.Generator,
    ) -> Units:
        """Count the rows of each visitor in each span, of 20,000 of them at most.

        Args:
            bins: The bin of each value, ``[N, C]``.
            visitors: The visitor of each row, from 0 on.
            span_of_row: The span of each row, from 0 on.
            all_bins: How many there are.
            rng: Which ones, if there are more.
        """
        unit = np.unique(span_of_row * (int(visitors.max()) + 1) + visitors, return_inverse=True)[1]
        found = int(unit.max()) + 1
        if found > _MAX_UNITS:
            chosen = np.full(found, -1)
            chosen[rng.permutation(found)[:_MAX_UNITS]] = np.arange(_MAX_UNITS)
            unit = chosen[unit]
            bins, unit, found = bins[unit >= 0], unit[unit >= 0], _MAX_UNITS
        places = (unit[:, None] * all_bins + bins).ravel()
        counts = np.bincount(places, minlength=found * all_bins).reshape(found, all_bins)
        return cls(counts=counts.astype(np.float32), rows=np.bincount(unit, minlength=found).astype(np.float32))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chance:
    """What so many visitors, drawn from the baseline, look like; ``S`` numbers of them."""

    distance_means: NDArray[np.float64]
    """``[S, C]``."""
    distance_deviations: NDArray[np.float64]
    """``[S, C]``."""
    share_deviations: NDArray[np.float64]
    """Of one visitor, ``[4, C]``."""
    share_skews: NDArray[np.float64]
    """Of one visitor, ``[4, C]``."""
    largest_shares: NDArray[np.float64]
    """``[S, 2]``."""


def find_chance(
    units: Units, expected: NDArray[np.float64], layout: Layout, measure: SharesMeasure, rng: np.random.Generator
) -> Chance:
    """Draw visitors with replacement, again and again, for distances; shares and levels need none.

    Args:
        units: The rows of each visitor in each span.
        expected: The share of each bin.
        layout: The bins.
        measure: Measures shares and levels.
        rng: Of the draws.
    """
    draws = [_draw(units, size, expected, layout, rng) for size in SIZES]
    deviations, skews = _moments_of_shares(units, measure)
    return Chance(
        distance_means=np.array([found.mean(axis=0) for found, _ in draws]),
        distance_deviations=np.array([found.std(axis=0) for found, _ in draws]),
        share_deviations=deviations,
        share_skews=skews,
        largest_shares=np.array([[found.mean(), found.std()] for _, found in draws]),
    )


def _draw(
    units: Units, size: int, expected: NDArray[np.float64], layout: Layout, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw ``size`` units, again and again: distances ``[D, C]``, logarithms of the largest share ``[D]``."""
    found: list[NDArray[np.float64]] = []
    largest: list[NDArray[np.float64]] = []
    number = len(units.rows)
    for _ in range(0, _DRAWS, _DRAWS_AT_ONCE):
        drawn = rng.integers(0, number, (_DRAWS_AT_ONCE, size))
        cells = drawn + np.arange(_DRAWS_AT_ONCE)[:, None] * number
        weights = np.bincount(cells.ravel(), minlength=_DRAWS_AT_ONCE * number).astype(np.float32)
        weights = weights.reshape(_DRAWS_AT_ONCE, number)
        found.append(distances((weights @ units.counts).astype(np.float64), expected, layout))
        largest.append(np.log(units.rows[drawn].max(axis=1) / (weights @ units.rows)))
    return np.concatenate(found), np.concatenate(largest).astype(np.float64)


def _moments_of_shares(units: Units, measure: SharesMeasure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the deviation and the skewness of what one visitor brings to shares and levels, ``[4, C]`` each.

    A share is a ratio of sums over visitors: each brings its rows times how far they are from the whole (the delta method).
    """
    weights = units.rows / units.rows.mean()
    whole = measure.of(units.counts.sum(axis=0, dtype=np.float64))
    squares, cubes = np.zeros(whole.shape), np.zeros(whole.shape)
    step = 1000
    for first in range(0, len(weights), step):
        brought = measure.of(units.counts[first : first + step].astype(np.float64)) - whole
        brought *= weights[first : first + step, None, None]
        squares += (brought**2).sum(axis=0)
        cubes += (brought**3).sum(axis=0)
    variances = squares / len(weights)
    # What never occurred did not vary either: then as if it were all rows of some visitors.
    unseen = measure.expected * (1.0 - measure.expected) * float((weights.astype(np.float64) ** 2).mean())
    never = variances < 1e-12
    skews = np.where(never, 0.0, cubes / len(weights) / np.maximum(variances, 1e-12) ** 1.5)
    return np.sqrt(np.where(never, unseen, variances)), skews


def spans_of_rows(times_unix_micros: NDArray[np.int64], spans: Sequence[Sequence[Window]]) -> NDArray[np.int64]:
    """Return which span each row is in; what comes after the last one is one more."""
    ends = np.array([windows[-1].end_unix_micros for windows in spans], np.int64)
    return np.searchsorted(ends, times_unix_micros, side="right")
