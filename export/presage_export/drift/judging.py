"""Judges windows and days of served rows: by how much columns differ from the baseline, and how likely that is by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.baseline import Baseline, Kind
from presage_export.drift.building import hour_of_week
from presage_export.drift.days import Day, find_days
from presage_export.drift.findings import Finding
from presage_export.drift.hours import Window
from presage_export.drift.layout import Layout
from presage_export.drift.measures import (
    CERTAINLY,
    SHARE_TESTS,
    SharesMeasure,
    chance_of_distance,
    chance_of_normal,
    distances,
    smoothed_shares,
)

__all__ = ["VISITORS", "Judge"]

VISITORS: Final = "visitors"
"""The name of what is no column: how the rows are spread over visitors."""

_MIN_VISITORS = 50
"""With fewer, a window is not judged."""
_MIN_DISTANCE = 0.1
_MIN_SHARE = 0.01
_MIN_LARGEST_SHARE = 0.05
_MARGIN = 1.25
"""How much larger an effect has to be than the largest of the baseline's own windows."""
_MIN_HOUR_ROWS = 20
"""Rows that an hour of the week needs in the baseline to be compared with."""
_NO_DEVIATION = 1e-9
_MORE_ROWS = 0.05
"""What each bin of an hour of the week has at least: less than elsewhere, as most of them are empty by nature."""


class Judge:
    """Compares windows with a baseline.

    Args:
        baseline: What is usual.
        names: The columns.
        time_zone: The shop's, for hours of the week.
    """

    def __init__(self, baseline: Baseline, names: Sequence[str], *, time_zone: str) -> None:
        self._baseline = baseline
        self._names = names
        self._zone = ZoneInfo(time_zone)
        self._layout: Layout = baseline.layout
        self._expected = smoothed_shares(baseline.counts, self._layout)
        self._measure = SharesMeasure(self._layout, baseline.defaults, self._expected)
        self._log_sizes = np.log(baseline.sizes)

    def judge(self, windows: Sequence[Window]) -> list[Finding]:
        """Test every column in every window that has enough visitors, and in the day that ends with each window."""
        findings = [finding for place, window in enumerate(windows) for finding in self._judge(place, window)]
        return findings + [finding for day in find_days(windows) for finding in self._judge_day(day)]

    def _judge_day(self, day: Day) -> Iterator[Finding]:
        """Test a day, and the same without each of its quarters: what counts is the weakest of them."""
        others = [
            {(each.column, each.test): each for each in self._judge(day.last, part)} for part in day.without_parts
        ]
        for finding in self._judge(day.last, day.whole):
            # The busiest visitor of a day is that of one of its windows.
            if finding.test == "busiest":
                continue
            of = finding.column, finding.test
            same = [part[of] for part in others if of in part]
            lasting = len(same) == len(others) and all(finding.goes_with(each) and each.matters for each in same)
            yield replace(
                finding,
                windows=day.windows,
                # As with two windows in a row: both are there by chance at most as often as the square.
                chance=max(finding.chance, max(each.chance for each in same) ** 2) if lasting else 1.0,
            )

    def _judge(self, place: int, window: Window) -> Iterator[Finding]:
        if window.visitors < _MIN_VISITORS:
            return
        kinds = self._baseline.kinds
        # The baseline is a sample of visitors, too.
        widening = 1.0 + window.visitors / self._baseline.visitors
        yield from self._judge_distances(place, window, np.flatnonzero(kinds == Kind.ALL_HOURS), widening)
        yield from self._judge_hours(place, window, np.flatnonzero(kinds == Kind.SAME_HOURS), widening)
        yield from self._judge_shares(place, window, np.flatnonzero(kinds == Kind.ALL_HOURS), widening)
        yield self._judge_busiest(place, window)

    def _judge_distances(
        self, place: int, window: Window, columns: NDArray[np.intp], widening: NDArray[np.float64]
    ) -> Iterator[Finding]:
        baseline = self._baseline
        found = distances(window.counts, self._expected, self._layout)
        means = widening * baseline.by_chance(baseline.distance_means, window.visitors, power=-1.0)
        deviations = widening * baseline.by_chance(baseline.distance_deviations, window.visitors, power=-1.0)
        for column in columns.tolist():
            usual = _MARGIN * float(baseline.usual_effects[0, column])
            yield self._distance(place, column, found[column], means[column], deviations[column], usual)

    def _judge_hours(
        self, place: int, window: Window, columns: NDArray[np.intp], widening: NDArray[np.float64]
    ) -> Iterator[Finding]:
        """Compare columns that follow the clock with the same hours of the week."""
        found = self._compare_hours(window, columns)
        if found is None:
            return
        starts = self._layout.starts_of_bins
        for column in columns.tolist():
            freedom = max(1, int(starts[column + 1] - starts[column]) - 2)
            # A visitor's rows count as one: they are of the same hour.
            mean = float(widening[column]) * freedom / window.visitors
            deviation = float(widening[column]) * math.sqrt(2.0 * freedom) / window.visitors
            yield self._distance(place, column, found[column], mean, deviation, 0.0)

    def _distance(  # noqa: PLR0917 - private
        self, place: int, column: int, distance: float, mean: float, deviation: float, usual: float
    ) -> Finding:
        return Finding(
            column=self._names[column],
            test="distribution",
            window=place,
            effect=math.sqrt(max(0.0, float(distance) - float(mean))),
            needed=math.sqrt(max(_MIN_DISTANCE**2, usual**2 + CERTAINLY * float(deviation))),
            chance=chance_of_distance(float(distance), mean=float(mean), deviation=float(deviation)),
            expected=0.0,
            found=0.0,
        )

    def _judge_shares(
        self, place: int, window: Window, columns: NDArray[np.intp], widening: NDArray[np.float64]
    ) -> Iterator[Finding]:
        baseline, measure = self._baseline, self._measure
        found = measure.of(window.counts)
        expected = measure.expected
        drawn = baseline.by_chance(baseline.share_deviations, window.visitors, power=-0.5)
        # What never occurred did not vary either: then as if each visitor had one row.
        as_one_row = np.sqrt(expected * (1.0 - expected) / window.visitors)
        deviations = np.sqrt(widening) * np.maximum(np.where(drawn > _NO_DEVIATION, drawn, as_one_row), _NO_DEVIATION)
        for number, test in enumerate(SHARE_TESTS):
            for column in columns.tolist():
                if not measure.exists[number, column]:
                    continue
                difference = float(found[number, column] - expected[number, column])
                deviation = float(deviations[number, column])
                direction = 1 + number + len(SHARE_TESTS) * (difference < 0.0)
                usual = _MARGIN * float(baseline.usual_effects[direction, column])
                yield Finding(
                    column=self._names[column],
                    test=test,
                    window=place,
                    effect=abs(difference),
                    needed=max(_MIN_SHARE, usual + CERTAINLY * deviation),
                    chance=2.0 * chance_of_normal(abs(difference) / deviation),
                    expected=float(expected[number, column]),
                    found=float(found[number, column]),
                )

    def _judge_busiest(self, place: int, window: Window) -> Finding:
        baseline = self._baseline
        mean, deviation = (
            float(np.interp(math.log(window.visitors), self._log_sizes, baseline.largest_shares[:, part]))
            for part in range(2)
        )
        share = window.largest_share
        return Finding(
            column=VISITORS,
            test="busiest",
            window=place,
            effect=share,
            needed=max(_MIN_LARGEST_SHARE, 2.0 * float(baseline.usual_largest_share[0])),
            chance=chance_of_normal((math.log(max(share, 1e-9)) - mean) / max(deviation, 0.1)),
            expected=math.exp(mean),
            found=share,
        )

    def _compare_hours(self, window: Window, columns: NDArray[np.intp]) -> NDArray[np.float64] | None:
        """Measure the distances from the same hours of the week; None if the baseline lacks all of them."""
        layout, weekly = self._layout, self._baseline.weekly
        if not len(columns):
            return None
        first, end = layout.starts_of_bins[columns[0]], layout.starts_of_bins[columns[0] + 1]
        counts = np.zeros(layout.bins, np.int64)
        expected = np.zeros(layout.bins)
        for hour in window.hours:
            usual = weekly[hour_of_week(hour.number, self._zone)]
            if usual[first:end].sum() >= _MIN_HOUR_ROWS:
                counts += hour.counts
                expected += hour.rows * smoothed_shares(usual, layout, more_rows=_MORE_ROWS)
        if not counts.any():
            return None
        return distances(counts, expected / counts[first:end].sum(), layout)
