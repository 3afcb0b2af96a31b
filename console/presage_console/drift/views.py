"""What the Drift page shows of a version: its features, those with an alarm first, and how far each is in every window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from presage_console.drift.strips import Cell, cells_of, summarise
from presage_console.drift.words import describe_alarm, moment
from presage_console.drift.young import what_waits, why_too_young
from presage_export.drift import Alarm, Finding, Window
from presage_server.drift.report import DriftReport

__all__ = [
    "AlarmView",
    "ColumnRow",
    "State",
    "VersionView",
    "WindowView",
    "largest_ratios",
    "view_version",
    "view_window",
]


class State(Enum):
    """How a column stands; the first ones need attention."""

    ALARM = "alarm"
    ENDED = "alarm ended"
    DIFFERS = "differs"
    USUAL = "as usual"
    NOT_JUDGED = "not compared"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmView:
    """One alarm of a column."""

    column: str
    is_general: bool
    """Whether it only says that the distribution differs."""
    words: str
    """What has changed, as a sentence without its end."""
    since: dt.datetime
    """The beginning of the first window that shows it."""
    raised: dt.datetime
    """From when on it could be known: the end of the window that raised it."""
    until: dt.datetime | None
    """The end of the last window that shows it; None if that is the newest."""
    ratio: float
    """The largest effect over the one from which it matters."""
    effect: float
    needed: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnRow:
    """A feature, the score, or how the rows are spread over visitors."""

    name: str
    state: State
    ratio: float | None
    """The largest effect in the newest window, over the one from which it matters; None if it is not compared."""
    alarms: tuple[AlarmView, ...]
    """Those that go on first, and of these what says most: that the distribution differs follows from any of the others."""
    cells: tuple[Cell, ...]

    @property
    def since(self) -> dt.datetime:
        """The beginning of the first window that any alarm is about."""
        return min(alarm.since for alarm in self.alarms)

    @property
    def raised(self) -> dt.datetime:
        """From when on the first alarm could be known."""
        return min(alarm.raised for alarm in self.alarms)

    @property
    def until(self) -> dt.datetime | None:
        """The end of the last window that any alarm is about; None while one goes on."""
        ends = [alarm.until for alarm in self.alarms]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def summary(self) -> str:
        """The strip in words."""
        return summarise(self.cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowView:
    """Some hours that were compared together."""

    start: dt.datetime
    end: dt.datetime
    rows: int
    visitors: int
    last_hour: int
    """The number of its last hour, which names it in an address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionView:
    """One version of a model."""

    model: str
    version: str
    rows: int
    windows: tuple[WindowView, ...]
    columns: tuple[ColumnRow, ...]
    comparisons: int
    alarms: int
    """How many columns have an alarm that goes on in the newest window."""
    unreadable: int
    too_young: str
    """Why nothing, or not everything, can be said yet; empty if all can."""
    waiting: str
    """What is counted and not yet in a window; empty if nothing is."""

    @property
    def name(self) -> str:
        return f"{self.model}/{self.version}"


def view_version(report: DriftReport) -> VersionView:
    """Put what was found in the order in which somebody wants to read it."""
    windows = report.windows
    ratios = largest_ratios(report.findings)
    alarms = [_view_alarm(alarm, windows) for alarm in report.alarms]
    in_alarm = {(alarm.column, each) for alarm in report.alarms for each in range(alarm.since, alarm.last.window + 1)}
    names = [*report.version.names, *(column for column in ratios if column not in report.version.names)]
    columns = [
        _view_column(
            name,
            windows,
            ratios.get(name, {}),
            [alarm for alarm in alarms if alarm.column == name],
            {window for column, window in in_alarm if column == name},
        )
        for name in names
    ]
    order = list(State)
    columns.sort(key=lambda row: (order.index(row.state), -_largest_alarm(row), -(row.ratio or 0.0)))
    return VersionView(
        model=report.version.model,
        version=report.version.version,
        rows=report.rows,
        windows=tuple(view_window(window) for window in windows),
        columns=tuple(columns),
        comparisons=len(report.findings),
        alarms=sum(row.state is State.ALARM for row in columns),
        unreadable=report.unreadable,
        too_young=why_too_young(report),
        waiting=what_waits(report),
    )


def largest_ratios(findings: Iterable[Finding]) -> dict[str, dict[int, float]]:
    """Return the largest effect of each column, over the one from which it matters, in what ends with each window."""
    ratios: dict[str, dict[int, float]] = {}
    for finding in findings:
        row = ratios.setdefault(finding.column, {})
        row[finding.window] = max(row.get(finding.window, 0.0), finding.effect / finding.needed)
    return ratios


def view_window(window: Window) -> WindowView:
    return WindowView(
        start=moment(window.start_unix_micros),
        end=moment(window.end_unix_micros),
        rows=window.rows,
        visitors=window.visitors,
        last_hour=window.hours[-1].number,
    )


def _view_alarm(alarm: Alarm, windows: Sequence[Window]) -> AlarmView:
    worst, goes_on = alarm.worst, alarm.last.window == len(windows) - 1
    return AlarmView(
        column=alarm.column,
        is_general=alarm.test == "distribution",
        words=describe_alarm(alarm),
        since=moment(windows[alarm.since].start_unix_micros),
        raised=moment(windows[alarm.first.window].end_unix_micros),
        until=None if goes_on else moment(windows[alarm.last.window].end_unix_micros),
        ratio=worst.effect / worst.needed,
        effect=worst.effect,
        needed=worst.needed,
    )


def _view_column(
    name: str, windows: Sequence[Window], ratios: dict[int, float], alarms: Sequence[AlarmView], in_alarm: set[int]
) -> ColumnRow:
    newest = len(windows) - 1
    ratio = ratios.get(newest)
    if any(alarm.until is None for alarm in alarms):
        state = State.ALARM
    elif alarms:
        state = State.ENDED
    elif ratio is None:
        state = State.NOT_JUDGED
    else:
        state = State.DIFFERS if ratio >= 1.0 else State.USUAL
    return ColumnRow(
        name=name,
        state=state,
        ratio=ratio,
        alarms=tuple(sorted(alarms, key=lambda alarm: (alarm.until is not None, alarm.is_general, -alarm.ratio))),
        cells=tuple(cells_of(windows, ratios, in_alarm)),
    )


def _largest_alarm(row: ColumnRow) -> float:
    return max((alarm.ratio for alarm in row.alarms), default=0.0)
