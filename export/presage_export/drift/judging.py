"""Judges windows and days of served rows: by how much columns differ from the baseline, and how likely that is by chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.baseline import WHOLE, Baseline, Kind
from presage_export.drift.building import hour_of_week
from presage_export.drift.findings import Finding
from presage_export.drift.hours import Window
from presage_export.drift.layout import Layout
from presage_export.drift.measures import (
    CERTAINLY,
    SHARE_TESTS,
    SharesMeasure,
    chance_of_distance,
    chance_of_normal,
    chance_of_skewed,
    distances,
    smoothed_shares,
)
from presage_export.drift.spans import Span, SpanKind, find_days, find_pairs, find_windows

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
        # The baseline is a sample of visitors, too.
        self._own_means, self._own_deviations = baseline.distances_by_chance(WHOLE, baseline.visitors)

    def judge(self, windows: Sequence[Window]) -> list[Finding]:
        """Test every column in every window that has enough visitors, in every two in a row, and in the day that ends with each."""
        alone = [self.compare(span) for span in find_windows(windows)]
        findings = [finding for found in alone for finding in found]
        for pair in find_pairs(windows):
            findings += self._judge_lasting(pair, alone[pair.last - 1 : pair.last + 1])
        for day in find_days(windows):
            findings += self._judge_lasting(day, [self.compare(replace(day, whole=part)) for part in day.parts])
        return findings

    def compare(self, span: Span) -> list[Finding]:
        """Test every column in one span, whatever its parts say; nothing if it has too few visitors."""
        if span.whole.visitors < _MIN_VISITORS:
            return []
        kinds = self._baseline.kinds
        return [
            *self._judge_distances(span, np.flatnonzero(kinds == Kind.ALL_HOURS)),
            *self._judge_hours(span, np.flatnonzero(kinds == Kind.SAME_HOURS)),
            *self._judge_shares(span, np.flatnonzero(kinds == Kind.ALL_HOURS)),
            *self._judge_busiest(span),
        ]

    def histogram(self, window: Window, column: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Return what is compared in a window: the rows in each bin of a column, and the share that is usual for each.

        Args:
            window: The hours; several windows may be added up.
            column: Its place among the names.

        Returns:
            ``[B]`` each; None if the column is not compared, or the baseline has no rows of these hours of the week.
        """
        kind, of_column = self._baseline.kinds[column], self._layout.bins_of(column)
        if kind == Kind.NEVER:
            return None
        found = (window.counts, self._expected) if kind == Kind.ALL_HOURS else self._same_hours(window, column)
        return None if found is None else (found[0][of_column], found[1][of_column])

    def _judge_lasting(self, span: Span, parts: Sequence[Sequence[Finding]]) -> Iterator[Finding]:
        """Test two windows or a day as one, visitors that they have in common counted once; what not each part shows is none."""
        if not all(parts):
            return
        others = [{(each.column, each.test): each for each in part} for part in parts]
        for finding in self.compare(span):
            of = finding.column, finding.test
            same = [part[of] for part in others if of in part]
            lasts = len(same) == len(others) and all(finding.goes_with(each) and each.matters for each in same)
            yield finding if lasts else replace(finding, chance=1.0)

    def _judge_distances(self, span: Span, columns: NDArray[np.intp]) -> Iterator[Finding]:
        baseline = self._baseline
        found = distances(span.whole.counts, self._expected, self._layout)
        means, deviations = baseline.distances_by_chance(span.kind, span.whole.visitors)
        usual = _MARGIN * baseline.usual_effects[span.kind, 0]
        for column in columns.tolist():
            yield self._distance(
                span,
                column,
                float(found[column]),
                mean=float(means[column] + self._own_means[column]),
                deviation=float(deviations[column] + self._own_deviations[column]),
                usual=float(usual[column]),
            )

    def _judge_hours(self, span: Span, columns: NDArray[np.intp]) -> Iterator[Finding]:
        """Compare columns that follow the clock with the same hours of the week."""
        found = self._compare_hours(span.whole, columns)
        if found is None:
            return
        starts = self._layout.starts_of_bins
        for column in columns.tolist():
            freedom = max(1, int(starts[column + 1] - starts[column]) - 2)
            # A visitor's rows count as one: they are of the same hour. The baseline is a sample of visitors, too.
            each = 1.0 / span.whole.visitors + 1.0 / int(self._baseline.visitors[column])
            yield self._distance(
                span, column, found[column], mean=freedom * each, deviation=math.sqrt(2.0 * freedom) * each, usual=0.0
            )

    def _distance(
        self, span: Span, column: int, distance: float, *, mean: float, deviation: float, usual: float
    ) -> Finding:
        # Beside what is usual, chance moves a distance further (as chi-squared without a centre).
        deviation = math.sqrt(deviation**2 * (1.0 + 2.0 * usual**2 / max(mean, 1e-12)))
        return Finding(
            column=self._names[column],
            test="distribution",
            window=span.last,
            windows=span.windows,
            effect=math.sqrt(max(0.0, distance - mean)),
            needed=math.sqrt(max(_MIN_DISTANCE**2, usual**2 + CERTAINLY * deviation)),
            chance=chance_of_distance(distance, mean=mean + usual**2, deviation=deviation),
            expected=0.0,
            found=0.0,
        )

    def _judge_shares(self, span: Span, columns: NDArray[np.intp]) -> Iterator[Finding]:
        baseline, measure = self._baseline, self._measure
        found, expected = measure.of(span.whole.counts), measure.expected
        number = span.whole.visitors
        own = baseline.share_deviations[WHOLE] / np.sqrt(baseline.visitors)
        by_chance = baseline.share_deviations[span.kind] / math.sqrt(number)
        deviations = np.maximum(np.hypot(by_chance, own), _NO_DEVIATION)
        # What the baseline adds is about normal.
        skews = baseline.share_skews[span.kind] / math.sqrt(number) * (by_chance / deviations) ** 3
        for row, test in enumerate(SHARE_TESTS):
            for column in columns.tolist():
                if not measure.exists[row, column]:
                    continue
                difference = float(found[row, column] - expected[row, column])
                deviation = float(deviations[row, column])
                is_less = difference < 0.0
                usual = _MARGIN * float(baseline.usual_effects[span.kind, 1 + row + len(SHARE_TESTS) * is_less, column])
                skew = float(skews[row, column]) * (-1.0 if is_less else 1.0)
                yield Finding(
                    column=self._names[column],
                    test=test,
                    window=span.last,
                    windows=span.windows,
                    effect=abs(difference),
                    needed=max(_MIN_SHARE, usual + CERTAINLY * deviation),
                    chance=min(1.0, 2.0 * chance_of_skewed((abs(difference) - usual) / deviation, skew=skew)),
                    expected=float(expected[row, column]),
                    found=float(found[row, column]),
                )

    def _judge_busiest(self, span: Span) -> Iterator[Finding]:
        # The busiest visitor of a day is that of one of its windows.
        if span.kind == SpanKind.DAY:
            return
        baseline = self._baseline
        mean, deviation = (
            float(
                np.interp(math.log(span.whole.visitors), self._log_sizes, baseline.largest_shares[span.kind, :, part])
            )
            for part in range(2)
        )
        share = span.whole.largest_share
        yield Finding(
            column=VISITORS,
            test="busiest",
            window=span.last,
            windows=span.windows,
            effect=share,
            needed=max(_MIN_LARGEST_SHARE, 2.0 * float(baseline.usual_largest_shares[span.kind])),
            chance=chance_of_normal((math.log(max(share, 1e-9)) - mean) / max(deviation, 0.1)),
            expected=math.exp(mean),
            found=share,
        )

    def _compare_hours(self, window: Window, columns: NDArray[np.intp]) -> NDArray[np.float64] | None:
        """Measure the distances from the same hours of the week; None if the baseline lacks all of them."""
        if not len(columns):
            return None
        found = self._same_hours(window, columns[0])
        return None if found is None else distances(*found, self._layout)

    def _same_hours(
        self, window: Window, column: np.intp | int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Add up the hours that the baseline has, and what is usual in them, ``[bins]`` each.

        Args:
            window: The hours.
            column: Any that follows the clock: all of them have as many rows of each hour.
        """
        layout, weekly = self._layout, self._baseline.weekly
        of_column = layout.bins_of(int(column))
        counts = np.zeros(layout.bins, np.int64)
        expected = np.zeros(layout.bins)
        for hour in window.hours:
            usual = weekly[hour_of_week(hour.number, self._zone)]
            if usual[of_column].sum() >= _MIN_HOUR_ROWS:
                counts += hour.counts
                expected += hour.rows * smoothed_shares(usual, layout, more_rows=_MORE_ROWS)
        if not counts.any():
            return None
        return counts, expected / counts[of_column].sum()
