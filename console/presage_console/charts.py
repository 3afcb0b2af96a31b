"""Charts as pages show them: a drawing, and a table with the same values.

In a template: ``{% from "macros.html" import chart %}`` and ``{{ chart(c) }}``. Lines and steps are drawn by ``static/charts.js``;
bars, rows and waterfalls are SVG in the page (``bars.py``), which needs no script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Final

from presage_console.formats import number, percent

__all__ = ["KINDS", "Chart", "Marker", "Series"]

KINDS: Final = ("lines", "steps", "bars", "rows", "waterfall")


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
            yield self.shown_x(x), [one.shown(one.values[index]) for one in self.series]
        if self.kind == "waterfall":
            yield self.end_label, [self.series[0].shown(self.end)]

    @property
    def end(self) -> float:
        """Where a waterfall ends."""
        return self.start + sum(value or 0.0 for value in self.series[0].values)

    def shown_x(self, x: float | str) -> str:
        """Write an x with its unit."""
        if isinstance(x, str):
            return x
        if self.x_is_time:
            return datetime.fromtimestamp(x, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return f"{number(x)} {self.x_unit}".rstrip()


def _rounded(value: float | None) -> float | None:
    """Leave out what no screen shows."""
    return None if value is None or not isfinite(value) else float(f"{value:.6g}")
