"""Judges windows of served rows: which columns have changed, by how much, and since when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from presage_export.drift.baseline import Baseline, Kind
from presage_export.drift.building import hour_of_week
from presage_export.drift.hours import Window
from presage_export.drift.layout import Layout
from presage_export.drift.measures import (
    SHARES,
    chance_of_distance,
    chance_of_normal,
    distances,
    places_of_shares,
    smoothed_shares,
)

__all__ = ["VISITORS", "Alarm", "Finding", "Judge", "find_alarms"]

VISITORS: Final = "visitors"
"""The name of what is no column: how the rows are spread over visitors."""

FALSE_DISCOVERIES: Final = 0.01
"""The share of significant findings that may be there by chance (Benjamini and Hochberg)."""

_MIN_VISITORS = 50
"""With fewer, a window is not judged."""
_MIN_DISTANCE = 0.1
_MIN_SHARE = 0.01
_MIN_LARGEST_SHARE = 0.05
_MARGIN = 1.25
"""How much larger an effect has to be than the largest of the baseline's own windows."""
_MIN_HOUR_ROWS = 20
"""Rows that an hour of the week needs in the baseline to be compared with."""
_MORE_ROWS = 0.05
"""What each bin of an hour of the week has at least: less than elsewhere, as most of them are empty by nature."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One test of one column in one window."""

    column: str
    test: str
    """``distribution``, ``zeros``, ``defaults``, ``missing``, or ``busiest`` for the visitors."""
    window: int
    """Which of the windows."""
    effect: float
    """Cohen's w of a distribution, the difference of a share, or the share of the busiest visitor's rows."""
    needed: float
    """The effect from which it matters."""
    chance: float
    """How likely such an effect is if nothing has changed."""
    expected: float
    """The share in the baseline; 0 for a distribution."""
    found: float
    """The share in the window; 0 for a distribution."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """A column that has changed in two windows in a row, or more."""

    column: str
    test: str
    first: Finding
    worst: Finding
    last: Finding


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
        self._places = places_of_shares(self._layout, baseline.defaults)
        self._log_sizes = np.log(baseline.sizes)

    def judge(self, windows: Sequence[Window]) -> list[Finding]:
        """Test every column in every window that has enough visitors."""
        return [finding for place, window in enumerate(windows) for finding in self._judge(place, window)]

    def _judge(self, place: int, window: Window) -> Iterator[Finding]:
        if window.visitors < _MIN_VISITORS:
            return
        baseline, layout = self._baseline, self._layout
        found = distances(window.counts, self._expected, layout)
        by_hours = self._compare_hours(window)
        for column, name in enumerate(self._names):
            kind = baseline.kinds[column]
            # The baseline is a sample of visitors, too.
            widening = 1.0 + window.visitors / float(baseline.visitors[column])
            if kind == Kind.ALL_HOURS:
                mean = widening * self._scaled(baseline.distance_means[:, column], window.visitors, -1.0)
                deviation = widening * self._scaled(baseline.distance_deviations[:, column], window.visitors, -1.0)
                distance = float(found[column])
            elif kind == Kind.SAME_HOURS and by_hours is not None:
                distance = float(by_hours[column])
                freedom = max(1, int(layout.starts_of_bins[column + 1] - layout.starts_of_bins[column]) - 2)
                # A visitor's rows count as one: they are of the same hour.
                mean = widening * freedom / window.visitors
                deviation = widening * math.sqrt(2.0 * freedom) / window.visitors
            else:
                continue
            yield Finding(
                column=name,
                test="distribution",
                window=place,
                effect=math.sqrt(max(0.0, distance - mean)),
                needed=max(
                    _MIN_DISTANCE, _MARGIN * float(baseline.usual_effects[0, column]) * (kind == Kind.ALL_HOURS)
                ),
                chance=chance_of_distance(distance, mean=mean, deviation=deviation),
                expected=0.0,
                found=0.0,
            )
            if kind == Kind.ALL_HOURS:
                yield from self._judge_shares(place, window, column, widening)
        yield self._judge_busiest(place, window)

    def _judge_shares(self, place: int, window: Window, column: int, widening: float) -> Iterator[Finding]:
        baseline = self._baseline
        for number, test in enumerate(SHARES):
            if (bin_ := self._places[number, column]) < 0:
                continue
            expected, found = float(self._expected[bin_]), float(window.counts[bin_]) / window.rows
            deviation = self._scaled(baseline.share_deviations[:, number, column], window.visitors, -0.5)
            # A share that never occurred did not vary either: then as if each visitor had one row.
            least = math.sqrt(expected * (1.0 - expected) / window.visitors)
            z = abs(found - expected) / (math.sqrt(widening) * max(deviation, least))
            yield Finding(
                column=self._names[column],
                test=test,
                window=place,
                effect=abs(found - expected),
                needed=max(_MIN_SHARE, _MARGIN * float(baseline.usual_effects[1 + number, column])),
                chance=2.0 * chance_of_normal(z),
                expected=expected,
                found=found,
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

    def _compare_hours(self, window: Window) -> NDArray[np.float64] | None:
        """Measure the distances from the same hours of the week; None if the baseline lacks all of them."""
        layout, weekly = self._layout, self._baseline.weekly
        follows = np.flatnonzero(self._baseline.kinds == Kind.SAME_HOURS)
        if not len(follows):
            return None
        first = layout.starts_of_bins[follows[0]]
        end = layout.starts_of_bins[follows[0] + 1]
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

    def _scaled(self, values: NDArray[np.float64], visitors: int, power: float) -> float:
        """Interpolate what was found for some numbers of visitors; beyond them it goes with a power of the number."""
        sizes = self._baseline.sizes
        nearest = min(max(visitors, int(sizes[0])), int(sizes[-1]))
        value = math.exp(float(np.interp(math.log(nearest), self._log_sizes, np.log(np.maximum(values, 1e-12)))))
        return value * (visitors / nearest) ** power


def find_alarms(findings: Sequence[Finding]) -> list[Alarm]:
    """Find what matters: not by chance over all findings together, large enough, and in two windows in a row.

    Args:
        findings: All tests of all windows, in order of time.

    Returns:
        One alarm for each column and test, the largest first.
    """
    limit = _largest_significant([finding.chance for finding in findings])
    alarms: list[Alarm] = []
    by_test: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_test.setdefault((finding.column, finding.test), []).append(finding)
    for (column, test), series in by_test.items():
        matters = [finding.chance <= limit and finding.effect >= finding.needed for finding in series]
        raised = [
            now
            for before, now in zip(range(len(series)), range(1, len(series)), strict=False)
            if matters[before] and matters[now]
        ]
        if raised:
            both = [series[place] for now in raised for place in (now - 1, now)]
            alarms.append(
                Alarm(
                    column=column,
                    test=test,
                    first=series[raised[0]],
                    worst=max(both, key=lambda finding: finding.effect / finding.needed),
                    last=series[raised[-1]],
                )
            )
    return sorted(alarms, key=lambda alarm: -alarm.worst.effect / alarm.worst.needed)


def _largest_significant(chances: Sequence[float]) -> float:
    """Return the largest chance that is significant (Benjamini and Hochberg 1995); below 0 if none is."""
    ordered = sorted(chances)
    allowed = [
        chance for rank, chance in enumerate(ordered, start=1) if chance <= FALSE_DISCOVERIES * rank / len(ordered)
    ]
    return allowed[-1] if allowed else -1.0
