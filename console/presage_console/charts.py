"""Charts as pages show them: a drawing, and a table with the same values.

In a template: ``{% from "macros.html" import chart %}`` and ``{{ chart(c) }}``. Lines and steps are drawn by ``static/charts.js``;
bars, rows and waterfalls are SVG in the page, which needs no script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor, isfinite, log10
from typing import Final

from presage_console.formats import MINUS, number, percent

__all__ = ["KINDS", "Bar", "Chart", "Marker", "Series"]

KINDS: Final = ("lines", "steps", "bars", "rows", "waterfall")
_TICKS = 5
_MOST_LABELS = 8
_HEADROOM = 1.06


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line, or one set of bars."""

    name: str
    values: Sequence[float | None]
    """One for each ``x``; None: there is no value."""
    unit: str = ""
    """Such as ``ms``; ``%`` shows shares from 0 to 1 as percentages."""

    def shown(self, value: float | None) -> str:
        """Write a value with its unit."""
        if self.unit == "%":
            return percent(value)
        return f"{number(value)} {self.unit}".rstrip() if value is not None else number(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """A line across the drawing, such as that of 1 ms."""

    at: float
    """Where on its axis. On the x axis of bars, how many bars stand before it."""
    label: str
    axis: str = "x"
    """``x`` or ``y``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar as it is drawn; places and lengths are percentages of the drawing."""

    label: str
    shown: str
    series: int
    """The number of its series, from 1."""
    at: float
    length: float
    sign: str
    """``plus``, ``minus`` or ``total``."""
    across: float = 0.0
    """Where it begins across its length, and how thick it is, in drawings of ``bars``."""
    thickness: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """What is drawn.

    Raises:
        ValueError: The parts do not fit together; the message names the field.
    """

    title: str
    x_name: str
    x: Sequence[float | str]
    """Numbers in ascending order, for lines and steps; for the others, texts may stand here."""
    series: Sequence[Series]
    kind: str = "lines"
    """``lines``; ``steps`` (a value holds until the next x); ``bars`` (columns side by side); ``rows`` (one bar a line, for long
    labels, may be negative); ``waterfall`` (rows that each begin where the last one ended, of one series)."""
    x_unit: str = ""
    x_is_time: bool = False
    """``x`` is seconds of Unix time."""
    x_log: bool = False
    y_log: bool = False
    y_low: float | None = None
    """Where the y axis begins and ends; None: by the values."""
    y_high: float | None = None
    markers: Sequence[Marker] = ()
    note: str = ""
    """One sentence below the title: how to read it."""
    start: float = 0.0
    """Where a waterfall begins, and what that is."""
    start_label: str = "base"
    end_label: str = "sum"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r}")
        if not self.series:
            raise ValueError("series: expected one or more, got none")
        for series in self.series:
            if len(series.values) != len(self.x):
                raise ValueError(f"series {series.name!r}: expected {len(self.x)} values, got {len(series.values)}")
        if self.is_drawn_by_script and not all(isinstance(x, int | float) for x in self.x):
            raise ValueError(f"x: expected numbers for {self.kind}, got texts")
        if self.kind == "waterfall" and len(self.series) != 1:
            raise ValueError(f"series: expected one for a waterfall, got {len(self.series)}")

    @property
    def is_drawn_by_script(self) -> bool:
        """Whether ``charts.js`` draws it."""
        return self.kind in {"lines", "steps"}

    @property
    def drawing(self) -> str:
        """What ``charts.js`` reads, as JSON."""
        return json.dumps(
            {
                "kind": self.kind,
                "xName": f"{self.x_name} ({self.x_unit})" if self.x_unit else self.x_name,
                "x": list(self.x),
                "time": self.x_is_time,
                "xLog": self.x_log,
                "yLog": self.y_log,
                "yLow": self.y_low,
                "yHigh": self.y_high,
                "series": [
                    {"name": one.name, "unit": one.unit, "values": [_rounded(value) for value in one.values]}
                    for one in self.series
                ],
                "markers": [{"at": marker.at, "label": marker.label, "axis": marker.axis} for marker in self.markers],
            },
            separators=(",", ":"),
            allow_nan=False,
        )

    @property
    def header(self) -> list[str]:
        """The header of the table."""
        return [self.x_name, *(one.name for one in self.series)]

    @property
    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """The rows of the table: the x, and the values of all series."""
        if self.kind == "waterfall":
            yield self.start_label, [self.series[0].shown(self.start)]
        for index, x in enumerate(self.x):
            yield self._shown_x(x), [one.shown(one.values[index]) for one in self.series]
        if self.kind == "waterfall":
            yield self.end_label, [self.series[0].shown(self.end)]

    @property
    def end(self) -> float:
        """Where a waterfall ends."""
        return self.start + sum(value or 0.0 for value in self.series[0].values)

    @property
    def bars(self) -> list[Bar]:
        """The columns of ``bars``."""
        low, high = self._extent()
        groups, many = max(1, len(self.x)), len(self.series)
        slot = 100 / groups
        thickness = slot * (0.96 if many == 1 else 0.8) / many
        return [
            Bar(
                label=self._shown_x(x),
                shown=one.shown(value),
                series=number_of + 1,
                at=100 - _share(max(value, low), low, high),
                length=_share(max(value, low), low, high),
                sign="plus",
                across=index * slot + (slot - thickness * many) / 2 + number_of * thickness,
                thickness=thickness,
            )
            for index, x in enumerate(self.x)
            for number_of, one in enumerate(self.series)
            if (value := _finite(one.values[index])) is not None
        ]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The lines across the columns: where, in per cent from the top, and the value."""
        low, high = self._extent()
        step = _nice((high - low) / _TICKS)
        first = floor(low / step) + 1
        values = [step * number_of for number_of in range(first, first + 2 * _TICKS)]
        return [(100 - _share(value, low, high), self.series[0].shown(value)) for value in values if value < high]

    @property
    def labels(self) -> list[tuple[float, str]]:
        """The labels below the columns: where, in per cent, and the text; not more than there is room for."""
        every = max(1, -(-len(self.x) // _MOST_LABELS))
        slot = 100 / max(1, len(self.x))
        return [(index * slot + slot / 2, self._shown_x(self.x[index])) for index in range(0, len(self.x), every)]

    @property
    def marker_places(self) -> list[tuple[float, str]]:
        """The markers of columns on the x axis: where, in per cent, and the label."""
        return [(100 * marker.at / max(1, len(self.x)), marker.label) for marker in self.markers if marker.axis == "x"]

    @property
    def horizontal_bars(self) -> list[Bar]:
        """The bars of ``rows`` and ``waterfall``, one a line."""
        steps = list(self._steps())
        ends = [end for _, _, _, start, stop, _ in steps for end in (start, stop)]
        if self.kind == "rows":
            ends.append(0.0)
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        if low == high:
            high = low + 1.0
        return [
            Bar(
                label=label,
                shown=shown,
                series=series,
                at=_share(min(start, stop), low, high),
                length=max(_share(max(start, stop), low, high) - _share(min(start, stop), low, high), 0.4),
                sign=sign,
            )
            for label, shown, series, start, stop, sign in steps
        ]

    def _steps(self) -> Iterator[tuple[str, str, int, float, float, str]]:
        if self.kind == "waterfall":
            yield from self._falling()
            return
        for index, x in enumerate(self.x):
            for number_of, one in enumerate(self.series):
                if (value := _finite(one.values[index])) is not None:
                    label = self._shown_x(x) if number_of == 0 else ""
                    yield label, one.shown(value), number_of + 1, 0.0, value, "plus" if value >= 0 else "minus"

    def _falling(self) -> Iterator[tuple[str, str, int, float, float, str]]:
        one, at = self.series[0], self.start
        yield self.start_label, one.shown(at), 1, at, at, "total"
        for index, x in enumerate(self.x):
            value = one.values[index] or 0.0
            sign = "plus" if value >= 0 else "minus"
            shown = f"{'+' if value >= 0 else MINUS}{one.shown(abs(value))}"
            yield self._shown_x(x), shown, 1, at, at + value, sign
            at += value
        yield self.end_label, one.shown(at), 1, at, at, "total"

    def _extent(self) -> tuple[float, float]:
        values = [
            value for one in self.series for value in one.values if _finite(value) is not None and value is not None
        ]
        low = self.y_low if self.y_low is not None else min(0.0, *values, 0.0)
        high = self.y_high if self.y_high is not None else max(*values, low, low) * _HEADROOM
        return low, high if high > low else low + 1.0

    def _shown_x(self, x: float | str) -> str:
        if isinstance(x, str):
            return x
        if self.x_is_time:
            return datetime.fromtimestamp(x, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return f"{number(x)} {self.x_unit}".rstrip()


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    """Leave out what no screen shows."""
    value = _finite(value)
    return None if value is None else float(f"{value:.6g}")


def _share(value: float, low: float, high: float) -> float:
    return round(100 * (min(value, high) - low) / (high - low), 3)


def _nice(step: float) -> float:
    """Return the next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)
