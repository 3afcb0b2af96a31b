"""Builds a baseline: counts the rows of training, and draws visitors from them to learn by how much windows differ by chance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.baseline import HOURS_OF_WEEK, Baseline, Kind
from presage_export.drift.hours import BUCKETS, HOUR_MICROS, MIN_VISITORS, Hour, Window, make_windows
from presage_export.drift.layout import Layout, choose_edges
from presage_export.drift.measures import CERTAINLY, SHARE_TESTS, SharesMeasure, distances, smoothed_shares

__all__ = ["Column", "ServedRows", "build_baseline", "count_hours", "hour_of_week", "join_baselines"]

_SIZES: Final = (100, 300, 1000, 3000, 10_000)
_DRAWS = 400
_MAX_UNITS = 20_000
_DRAWS_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """What a baseline has to know of a column."""

    kind: Kind = Kind.ALL_HOURS
    default: float | None = None
    """The value of a visitor without history; None if there is none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ServedRows:
    """Rows as a server would have served them, all of the same columns."""

    values: NDArray[np.float32]
    """``[N, C]``; NaN is missing."""
    times_unix_micros: NDArray[np.int64]
    visitors: NDArray[np.int64]
    """A number for each visitor, ``[N]``."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: NDArray[Any]) -> ServedRows:
        """Select rows by a mask or by indices."""
        return ServedRows(
            values=self.values[chosen],
            times_unix_micros=self.times_unix_micros[chosen],
            visitors=self.visitors[chosen],
        )


def hour_of_week(hour: int, zone: ZoneInfo) -> int:
    """Return which hour of the week an hour since 1970 begins in, from 0 on Monday at 0:00 in the shop's time zone."""
    local = dt.datetime.fromtimestamp(hour * 3600, zone)
    return local.weekday() * 24 + local.hour


def build_baseline(
    rows: ServedRows, columns: Sequence[Column], *, time_zone: str, seed: int, min_visitors: int = MIN_VISITORS
) -> Baseline:
    """Build a baseline of some columns; the same arguments give the same baseline.

    Args:
        rows: What a server would have served.
        columns: What their columns are.
        time_zone: The shop's, for hours of the week.
        seed: Of the draws.
        min_visitors: How many visitors end a window.

    Raises:
        ValueError: There are no rows.
    """
    if not len(rows):
        raise ValueError("a baseline needs rows")
    rng = np.random.default_rng(seed)
    layout = Layout.of(
        [choose_edges(rows.values[:, place], default=column.default) for place, column in enumerate(columns)]
    )
    defaults = np.array([np.nan if column.default is None else column.default for column in columns])
    kinds = np.array([column.kind for column in columns], np.int64)
    bins = layout.bins_of_values(rows.values)
    counts = np.bincount(bins.ravel(), minlength=layout.bins).astype(np.int64)
    hours = count_hours(rows, bins, layout)
    expected = smoothed_shares(counts, layout)
    measure = SharesMeasure(layout, defaults, expected)
    windows = make_windows(hours, min_visitors=min_visitors)
    units, rows_of_units = _units(rows, bins, layout, windows, rng)
    draws = [_Draws.of(units, rows_of_units, size, expected, layout, measure, rng) for size in _SIZES]
    baseline = Baseline(
        edges=layout.edges,
        starts=layout.starts,
        kinds=kinds,
        defaults=defaults,
        counts=counts,
        weekly=_count_weekly(hours, layout, ZoneInfo(time_zone), kinds == Kind.SAME_HOURS),
        visitors=np.full(layout.columns, len(np.unique(rows.visitors)), np.int64),
        min_visitors=np.array([min_visitors], np.int64),
        sizes=np.array(_SIZES, np.int64),
        distance_means=np.array([draw.distance_mean for draw in draws]),
        distance_deviations=np.array([draw.distance_deviation for draw in draws]),
        share_deviations=np.array([draw.share_deviations for draw in draws]),
        largest_shares=np.array([draw.largest_share for draw in draws]),
        usual_effects=np.zeros((1 + 2 * len(SHARE_TESTS), layout.columns)),
        usual_largest_share=np.array([max((window.largest_share for window in windows), default=0.0)]),
    )
    return replace(baseline, usual_effects=_usual_effects(windows, baseline, expected, measure))


def join_baselines(parts: Sequence[Baseline]) -> Baseline:
    """Put the columns of some baselines side by side; what is said of visitors is that of the first.

    Scores need rows of their own: those that the model was trained on score better than others.
    """
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in (
            *("edges", "kinds", "defaults", "counts", "weekly", "visitors"),
            *("distance_means", "distance_deviations", "share_deviations", "usual_effects"),
        )
    }
    shifts = np.cumsum([0, *(len(part.edges) for part in parts)])
    starts = [part.starts[:-1] + shift for part, shift in zip(parts, shifts, strict=False)]
    first = parts[0]
    return Baseline(
        **joined,
        starts=np.concatenate([*starts, shifts[-1:]]),
        min_visitors=first.min_visitors,
        sizes=first.sizes,
        largest_shares=first.largest_shares,
        usual_largest_share=first.usual_largest_share,
    )


def count_hours(rows: ServedRows, bins: NDArray[np.int32], layout: Layout) -> list[Hour]:
    """Count the rows of each hour.

    Args:
        rows: The rows.
        bins: The bin of each value, ``[N, C]``.
        layout: The bins.
    """
    numbers, place_of_hour = np.unique(rows.times_unix_micros // HOUR_MICROS, return_inverse=True)
    # Multiplied by an odd number near the golden ratio: neighbours fall far apart.
    buckets = (rows.visitors.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(52)
    order = np.argsort(place_of_hour, kind="stable")
    bounds = np.searchsorted(place_of_hour[order], np.arange(len(numbers) + 1))
    hours = []
    for place, number in enumerate(numbers.tolist()):
        chosen = order[bounds[place] : bounds[place + 1]]
        hours.append(
            Hour(
                number=number,
                counts=np.bincount(bins[chosen].ravel(), minlength=layout.bins).astype(np.int64),
                visitors=np.bincount(buckets[chosen].astype(np.int64), minlength=BUCKETS).astype(np.int64),
            )
        )
    return hours


def _count_weekly(
    hours: Iterable[Hour], layout: Layout, zone: ZoneInfo, follows_clock: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Count the rows of each hour of the week, in the bins of columns that follow the clock."""
    weekly = np.zeros((HOURS_OF_WEEK, layout.bins), np.int64)
    clock_bins = np.repeat(follows_clock, np.diff(layout.starts_of_bins))
    for hour in hours:
        weekly[hour_of_week(hour.number, zone)] += np.where(clock_bins, hour.counts, 0)
    return weekly


def _units(
    rows: ServedRows, bins: NDArray[np.int32], layout: Layout, windows: Sequence[Window], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Count the rows of each visitor in each window: float32 ``[U, bins]``, and ``[U]``."""
    ends = np.array([window.end_unix_micros for window in windows], np.int64)
    window_of_row = np.searchsorted(ends, rows.times_unix_micros, side="right")
    visitors = np.unique(rows.visitors, return_inverse=True)[1]
    unit = np.unique(window_of_row * (int(visitors.max()) + 1) + visitors, return_inverse=True)[1]
    found = int(unit.max()) + 1
    if found > _MAX_UNITS:
        chosen = np.full(found, -1)
        chosen[rng.permutation(found)[:_MAX_UNITS]] = np.arange(_MAX_UNITS)
        unit = chosen[unit]
        bins, unit, found = bins[unit >= 0], unit[unit >= 0], _MAX_UNITS
    places = (unit[:, None] * layout.bins + bins).ravel()
    units = np.bincount(places, minlength=found * layout.bins).reshape(found, layout.bins)
    return units.astype(np.float32), np.bincount(unit, minlength=found).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Draws:
    """What sets of so many visitors, drawn from the baseline, look like."""

    distance_mean: NDArray[np.float64]
    distance_deviation: NDArray[np.float64]
    share_deviations: NDArray[np.float64]
    largest_share: NDArray[np.float64]

    @classmethod
    def of(  # noqa: PLR0917 - private
        cls,
        units: NDArray[np.float32],
        rows_of_units: NDArray[np.float32],
        size: int,
        expected: NDArray[np.float64],
        layout: Layout,
        measure: SharesMeasure,
        rng: np.random.Generator,
    ) -> _Draws:
        """Draw ``size`` units with replacement, again and again."""
        found_distances, found_shares, found_largest = [], [], []
        for _ in range(0, _DRAWS, _DRAWS_AT_ONCE):
            drawn = rng.integers(0, len(units), (_DRAWS_AT_ONCE, size))
            cells = drawn + np.arange(_DRAWS_AT_ONCE)[:, None] * len(units)
            weights = np.bincount(cells.ravel(), minlength=_DRAWS_AT_ONCE * len(units)).astype(np.float32)
            weights = weights.reshape(_DRAWS_AT_ONCE, len(units))
            counts = (weights @ units).astype(np.float64)
            rows = weights @ rows_of_units
            found_distances.append(distances(counts, expected, layout))
            found_shares.append(measure.of(counts))
            found_largest.append(np.log(rows_of_units[drawn].max(axis=1) / rows))
        all_distances, largest = np.concatenate(found_distances), np.concatenate(found_largest)
        return cls(
            distance_mean=all_distances.mean(axis=0),
            distance_deviation=all_distances.std(axis=0),
            share_deviations=np.concatenate(found_shares).std(axis=0),
            largest_share=np.array([largest.mean(), largest.std()], np.float64),
        )


def _usual_effects(
    windows: Sequence[Window], baseline: Baseline, expected: NDArray[np.float64], measure: SharesMeasure
) -> NDArray[np.float64]:
    """Return the largest effects of the baseline's own windows, ``[9, C]``: what evenings, weekends and paydays do."""
    layout = baseline.layout
    usual = np.zeros_like(baseline.usual_effects)
    for window in windows:
        visitors = max(1, window.visitors)
        mean = baseline.by_chance(baseline.distance_means, visitors, power=-1.0)
        deviation = baseline.by_chance(baseline.distance_deviations, visitors, power=-1.0)
        excess = distances(window.counts, expected, layout) - mean - CERTAINLY * deviation
        usual[0] = np.maximum(usual[0], np.sqrt(np.maximum(0.0, excess)))
        deviations = baseline.by_chance(baseline.share_deviations, visitors, power=-0.5)
        differences = measure.of(window.counts) - measure.expected
        both = np.vstack([differences, -differences]) - CERTAINLY * np.vstack([deviations, deviations])
        usual[1:] = np.maximum(usual[1:], both)
    return usual
