"""What the page of one column shows: served values beside those of training, what each test says, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from presage_console.drift.bins import label_bins
from presage_console.drift.views import ColumnRow, VersionView, WindowView, largest_ratios, view_version, view_window
from presage_console.drift.words import TESTS, describe_column, describe_finding
from presage_export.drift import Judge, Window
from presage_server.drift.report import DriftReport

__all__ = ["Bar", "ColumnView", "Compared", "TestRow", "WindowRow", "view_column"]

_MIN_SHARE = 0.0005
"""Bins with less of the rows, served and usual, are left out of the histogram."""
_DAY_HOURS = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bin of the histogram."""

    label: str
    rows: int
    served: float
    """The share of rows that were served with such a value."""
    usual: float
    """The same of training; for what follows the clock, in the same hours of the week."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestRow:
    """What one test says of the hours that are compared."""

    __test__ = False  # the name is no invitation to pytest

    name: str
    words: str
    """What differs; empty for what is as usual."""
    effect: float
    needed: float

    @property
    def ratio(self) -> float:
        return self.effect / self.needed


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """The hours whose values are beside those of training."""

    why: str
    """Why these hours, as a part of a sentence."""
    hours: WindowView
    bars: tuple[Bar, ...]
    """Empty if the column has no bins, or nothing usual is known for these hours."""
    tests: tuple[TestRow, ...]
    """The largest effect first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRow:
    """One window of a column."""

    window: WindowView
    ratio: float | None
    """The largest effect of what ends with it, over the one from which it matters."""
    in_alarm: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnView:
    """One column of one version."""

    of: VersionView
    row: ColumnRow
    meaning: str
    """What it is, in a sentence; empty for a project's own features."""
    compared: Compared | None
    """None before there is a window."""
    windows: tuple[WindowRow, ...]
    """The newest first."""


def view_column(report: DriftReport, name: str, *, last_hour: int | None = None) -> ColumnView | None:
    """Show one column; None if the version has no such column.

    Args:
        report: The version.
        name: A feature, ``score`` or ``visitors``.
        last_hour: The window to compare, by the number of its last hour; otherwise the worst of an alarm, or the newest day.
    """
    version = view_version(report)
    row = next((each for each in version.columns if each.name == name), None)
    if row is None:
        return None
    ratios = largest_ratios(report.findings).get(name, {})
    in_alarm = {
        place for alarm in report.alarms if alarm.column == name for place in range(alarm.since, alarm.last.window + 1)
    }
    return ColumnView(
        of=version,
        row=row,
        meaning=describe_column(name),
        compared=_compare(report, name, last_hour) if report.windows else None,
        windows=tuple(
            WindowRow(window=window, ratio=ratios.get(place), in_alarm=place in in_alarm)
            for place, window in reversed(list(enumerate(version.windows)))
        ),
    )


def _compare(report: DriftReport, name: str, last_hour: int | None) -> Compared:
    why, first, last = _choose_hours(report, name, last_hour)
    windows = report.windows[first : last + 1]
    whole = windows[0] if len(windows) == 1 else Window.of([hour for window in windows for hour in window.hours])
    findings = [
        finding
        for finding in report.findings
        if (finding.column, finding.window, finding.windows) == (name, last, len(windows))
    ]
    tests = [
        TestRow(
            name=TESTS[finding.test],
            words=describe_finding(finding) if finding.matters else "",
            effect=finding.effect,
            needed=finding.needed,
        )
        for finding in findings
    ]
    return Compared(
        why=why,
        hours=view_window(whole),
        bars=tuple(_bars(report, name, whole)),
        tests=tuple(sorted(tests, key=lambda test: -test.ratio)),
    )


def _choose_hours(report: DriftReport, name: str, last_hour: int | None) -> tuple[str, int, int]:
    """Choose windows: why these, the first and the last of them."""
    windows = report.windows
    for place, window in enumerate(windows):
        if window.hours[-1].number == last_hour:
            return "the window that was chosen", place, place
    # The largest comes first; one that goes on is of more interest than one that has ended.
    newest = len(windows) - 1
    alarms = [alarm for alarm in report.alarms if alarm.column == name]
    for alarm in sorted(alarms, key=lambda alarm: alarm.last.window != newest):
        return "where the alarm is at its worst", alarm.worst.first_window, alarm.worst.window
    first = _first_of_day(windows)
    return ("the newest window" if first == newest else "the newest day"), first, newest


def _first_of_day(windows: Sequence[Window]) -> int:
    """Return the first of the windows that were judged as a day with the newest; the newest itself if there are too few."""
    begins = windows[-1].hours[-1].number - _DAY_HOURS
    within = [place for place, window in enumerate(windows) if window.hours[0].number > begins]
    return within[0] if len(within) >= 3 else len(windows) - 1


def _bars(report: DriftReport, name: str, window: Window) -> Iterator[Bar]:
    of = report.version
    if name not in of.names:
        return
    column, baseline = of.names.index(name), of.baseline
    found = Judge(baseline, of.names, time_zone=of.time_zone).histogram(window, column)
    if found is None:
        return
    counts, usual = found
    rows = max(1, int(counts.sum()))
    edges = baseline.edges[baseline.starts[column] : baseline.starts[column + 1]]
    for label, count, share in zip(label_bins(edges), counts.tolist(), usual.tolist(), strict=True):
        if max(count / rows, share) >= _MIN_SHARE:
            yield Bar(label=label, rows=count, served=count / rows, usual=share)
