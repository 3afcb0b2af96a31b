"""Builds a baseline: counts the rows of training, and draws visitors from them to learn by how much windows differ by chance."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.baseline import HOURS_OF_WEEK, Baseline, Kind
from presage_export.drift.drawing import SIZES, Chance, Units, find_chance, spans_of_rows
from presage_export.drift.hours import BUCKETS, HOUR_MICROS, MIN_VISITORS, Hour, Window, make_windows
from presage_export.drift.layout import Layout, choose_edges
from presage_export.drift.measures import SHARE_TESTS, SharesMeasure, distances, smoothed_shares
from presage_export.drift.spans import SpanKind, disjoint, find_days, find_pairs, find_windows

__all__ = ["Column", "ServedRows", "build_baseline", "count_hours", "hour_of_week", "join_baselines"]


_OF_FEW = 1.0
"""About how many standard deviations the largest of a few spans is above their mean by chance: evenings, weekends and paydays are
a few spans each. With more taken off, what is usual would be too small, and the next payday an alarm."""


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
    spans = [[span.whole for span in find_spans(windows)] for find_spans in (find_windows, find_pairs, find_days)]
    # With too few hours for two windows, or for a day of them, what is shorter has to do.
    spans = [found or spans[kind - 1] or windows for kind, found in enumerate(spans)]
    visitors = np.unique(rows.visitors, return_inverse=True)[1]
    chances = [
        find_chance(
            Units.of(bins, visitors, spans_of_rows(rows.times_unix_micros, each), all_bins=layout.bins, rng=rng),
            *(expected, layout, measure, rng),
        )
        for each in (*(disjoint(windows, kind) for kind in SpanKind), ())
    ]
    baseline = Baseline(
        edges=layout.edges,
        starts=layout.starts,
        kinds=kinds,
        defaults=defaults,
        counts=counts,
        weekly=_count_weekly(hours, layout, ZoneInfo(time_zone), kinds == Kind.SAME_HOURS),
        visitors=np.full(layout.columns, len(np.unique(rows.visitors)), np.int64),
        min_visitors=np.array([min_visitors], np.int64),
        sizes=np.array(SIZES, np.int64),
        **{each.name: np.array([getattr(chance, each.name) for chance in chances]) for each in fields(Chance)},
        usual_effects=np.zeros((len(spans), 1 + 2 * len(SHARE_TESTS), layout.columns)),
        usual_largest_shares=np.array(
            [max((window.largest_share for window in windows), default=0.0) for windows in spans]
        ),
    )
    return replace(baseline, usual_effects=_usual_effects(spans, baseline, expected, measure))


def join_baselines(parts: Sequence[Baseline]) -> Baseline:
    """Put the columns of some baselines side by side; what is said of visitors is that of the first.

    Scores need rows of their own: those that the model was trained on score better than others.
    """
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in (
            *("edges", "kinds", "defaults", "counts", "weekly", "visitors"),
            *("distance_means", "distance_deviations", "share_deviations", "share_skews", "usual_effects"),
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
        usual_largest_shares=first.usual_largest_shares,
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


def _usual_effects(
    spans: Sequence[Sequence[Window]], baseline: Baseline, expected: NDArray[np.float64], measure: SharesMeasure
) -> NDArray[np.float64]:
    """Return the largest effects of the baseline's own spans, ``[3, 9, C]``: what evenings, weekends and paydays do."""
    layout = baseline.layout
    usual = np.zeros_like(baseline.usual_effects)
    for kind, windows in enumerate(spans):
        for window in windows:
            visitors = max(1, window.visitors)
            mean, deviation = baseline.distances_by_chance(kind, visitors)
            excess = distances(window.counts, expected, layout) - mean - _OF_FEW * deviation
            usual[kind, 0] = np.maximum(usual[kind, 0], np.sqrt(np.maximum(0.0, excess)))
            deviations = baseline.share_deviations[kind] / math.sqrt(visitors)
            differences = measure.of(window.counts) - measure.expected
            both = np.vstack([differences, -differences]) - _OF_FEW * np.vstack([deviations, deviations])
            usual[kind, 1:] = np.maximum(usual[kind, 1:], both)
    return usual
