"""Where the bars of a chart are, in per cent of the drawing: SVG that fits any width without a script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import NamedTuple

from presage_console.charts import Chart
from presage_console.formats import MINUS

__all__ = ["Bar", "Columns", "columns_of", "rows_of"]

_TICKS = 5
_MOST_LABELS = 8
_HEADROOM = 1.06
_THINNEST = 0.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar; places and lengths are percentages of the drawing."""

    label: str
    shown: str
    """Its value."""
    series: int
    """The number of its series, from 1."""
    at: float
    """Where it begins along its length: from the left, or, of columns, from the top."""
    length: float
    sign: str
    """``plus``, ``minus`` or ``total``."""
    across: float = 0.0
    """Where a column begins, from the left."""
    thickness: float = 0.0


class Columns(NamedTuple):
    """Columns side by side, and what stands around them; each place with its text."""

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    """The lines across them, from the top."""
    labels: list[tuple[float, str]]
    """What stands below, from the left; not more than there is room for."""
    markers: list[tuple[float, str]]
    """The markers on the x axis, from the left."""


class _Step(NamedTuple):
    label: str
    shown: str
    series: int
    start: float
    end: float
    sign: str


def columns_of(chart: Chart) -> Columns:
    """Place the columns of a chart of the kind ``bars``."""
    low, high = _extent(chart)
    slot = 100 / max(1, len(chart.x))
    many = len(chart.series)
    thickness = slot * (0.96 if many == 1 else 0.8) / many
    bars = []
    for index, x in enumerate(chart.x):
        for number_of, series in enumerate(chart.series):
            value = _finite(series.values[index])
            if value is not None:
                length = _share(max(value, low), low, high)
                bars.append(
                    Bar(
                        label=chart.shown_x(x),
                        shown=series.shown(value),
                        series=number_of + 1,
                        at=100 - length,
                        length=length,
                        sign="plus",
                        across=index * slot + (slot - thickness * many) / 2 + number_of * thickness,
                        thickness=thickness,
                    )
                )
    every = max(1, -(-len(chart.x) // _MOST_LABELS))
    return Columns(
        bars,
        [(100 - _share(value, low, high), chart.series[0].shown(value)) for value in _round_values(low, high)],
        [(index * slot + slot / 2, chart.shown_x(chart.x[index])) for index in range(0, len(chart.x), every)],
        [(marker.at * slot, marker.label) for marker in chart.markers if marker.axis == "x"],
    )


def rows_of(chart: Chart) -> list[Bar]:
    """Place the bars of a chart of the kinds ``rows`` and ``waterfall``, one a line."""
    steps = list(_falling(chart) if chart.kind == "waterfall" else _side_by_side(chart))
    ends = [end for step in steps for end in (step.start, step.end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if low == high:
        high = low + 1.0
    return [
        Bar(
            label=step.label,
            shown=step.shown,
            series=step.series,
            at=_share(min(step.start, step.end), low, high),
            length=_length(step, low, high),
            sign=step.sign,
        )
        for step in steps
    ]


def _length(step: _Step, low: float, high: float) -> float:
    """Return a length that can be seen. A total is drawn as a position, and a value of 0 has no bar."""
    length = _share(low + abs(step.end - step.start), low, high)
    return max(length, _THINNEST) if step.sign == "total" or step.start != step.end else 0.0


def _side_by_side(chart: Chart) -> Iterator[_Step]:
    for index, x in enumerate(chart.x):
        for number_of, series in enumerate(chart.series):
            value = _finite(series.values[index])
            if value is not None:
                label = chart.shown_x(x) if number_of == 0 else ""
                yield _Step(label, series.shown(value), number_of + 1, 0.0, value, "plus" if value >= 0 else "minus")


def _falling(chart: Chart) -> Iterator[_Step]:
    series, at = chart.series[0], chart.start
    yield _Step(chart.start_label, series.shown(at), 1, at, at, "total")
    for index, x in enumerate(chart.x):
        value = _finite(series.values[index]) or 0.0
        shown = f"{'+' if value >= 0 else MINUS}{series.shown(abs(value))}"
        yield _Step(chart.shown_x(x), shown, 1, at, at + value, "plus" if value >= 0 else "minus")
        at += value
    yield _Step(chart.end_label, series.shown(at), 1, at, at, "total")


def _extent(chart: Chart) -> tuple[float, float]:
    """Return where the y axis begins and ends; 0 is on it."""
    values = [value for series in chart.series for value in series.values if value is not None and isfinite(value)]
    low = chart.y_low if chart.y_low is not None else min([0.0, *values])
    high = chart.y_high if chart.y_high is not None else max([low, 0.0, *values]) * _HEADROOM
    return low, high if high > low else low + 1.0


def _round_values(low: float, high: float) -> list[float]:
    """Return some round values between two others."""
    step = _nice((high - low) / _TICKS)
    first = floor(low / step) + 1
    return [value for number_of in range(first, first + 2 * _TICKS) if (value := step * number_of) < high]


def _nice(step: float) -> float:
    """Return the next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _share(value: float, low: float, high: float) -> float:
    return round(100 * (min(value, high) - low) / (high - low), 3)
