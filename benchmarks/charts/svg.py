"""Line charts as SVG: panels one above the other, each line with its name beside it.

A chart has a background of its own, so that it can be read on a white page and on a dark one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "Line", "Panel", "axis_over", "chart", "spread_out"]

_WIDTH = 860
_LEFT, _RIGHT = 70, 210
_TOP, _BOTTOM = 62, 34
_GAP = 40
_LABEL_HEIGHT = 14.0
_BACKGROUND, _BORDER, _GRID, _TEXT, _FAINT = "#ffffff", "#d0d7de", "#e5e8eb", "#1f2328", "#57606a"
_DECADES_OF_FINE_TICKS = 3.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One direction of a panel."""

    label: str
    low: float
    high: float
    log: bool = False
    written: Callable[[float], str] = "{:,g}".format
    """Writes the number at a tick."""

    def share(self, value: float) -> float:
        """Compute how far along the axis a value is, 0 to 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Choose round numbers within."""
        if not self.log:
            step = _round_step(self.high - self.low)
            first = math.ceil(self.low / step - 1e-9)
            return [place * step for place in range(first, math.floor(self.high / step + 1e-9) + 1)]
        fine = math.log10(self.high / self.low) <= _DECADES_OF_FINE_TICKS
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        numbers = [digit * 10.0**power for power in powers for digit in ((1, 2, 5) if fine else (1,))]
        return [number for number in numbers if self.low * (1 - 1e-9) <= number <= self.high * (1 + 1e-9)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Values that belong together."""

    name: str
    points: Sequence[tuple[float, float]]
    color: str
    thick: bool = False
    dashes: str = ""
    """As of stroke-dasharray; an unbroken line unless given."""
    notes: Sequence[str] = ()
    """A word at each point; none unless given, and then the points are marked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    height: int = 250


def axis_over(
    label: str, values: Iterable[float], *, log: bool = False, written: Callable[[float], str] = "{:,g}".format
) -> Axis:
    """Make an axis that has room for values: from 0, or from a little below the smallest where it is logarithmic."""
    known = list(values)
    if log:
        above = [value for value in known if value > 0] or [1.0]
        return Axis(label=label, low=min(above) / 1.15, high=max(above) * 1.15, log=True, written=written)
    return Axis(label=label, low=0.0, high=1.08 * max(known, default=0.0) or 1.0, written=written)


def chart(title: str, panels: Sequence[Panel]) -> str:
    """Draw panels one above the other; points that do not fit on a logarithmic axis are skipped."""
    height = _TOP + sum(panel.height + _BOTTOM + _GAP for panel in panels) - _GAP + 16
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
            f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="{_TEXT}">'
        ),
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8" fill="{_BACKGROUND}" stroke="{_BORDER}"/>',
        f'<text x="16" y="22" font-size="14" font-weight="600">{escape(title)}</text>',
    ]
    top = _TOP
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height + _BOTTOM + _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def spread_out(wanted: Sequence[float], *, apart: float, low: float, high: float) -> list[float]:
    """Move places as little as possible so that they are a distance apart, in the same order, from low to high."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = [0.0] * len(wanted)
    least = low
    for index in order:
        places[index] = max(wanted[index], least)
        least = places[index] + apart
    most = high
    for index in reversed(order):
        places[index] = min(places[index], most)
        most = places[index] - apart
    return places


def _panel(panel: Panel, top: int) -> list[str]:
    across, bottom = _WIDTH - _LEFT - _RIGHT, top + panel.height

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + across * panel.x.share(x), bottom - panel.height * panel.y.share(y)

    parts = [f'<text x="{_LEFT}" y="{top - 8}" font-weight="600">{escape(panel.title)}</text>']
    for tick in panel.y.ticks():
        y = at(panel.x.low, tick)[1]
        parts += [
            f'<path d="M{_LEFT} {y:.1f}h{across}" stroke="{_GRID}"/>',
            f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end" fill="{_FAINT}">{escape(panel.y.written(tick))}</text>',
        ]
    for tick in panel.x.ticks():
        x = at(tick, panel.y.low)[0]
        parts += [
            f'<path d="M{x:.1f} {bottom}v4" stroke="{_FAINT}"/>',
            f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle" fill="{_FAINT}">{escape(panel.x.written(tick))}</text>',
        ]
    parts += [
        f'<path d="M{_LEFT} {bottom}h{across}" stroke="{_FAINT}"/>',
        f'<text x="{_LEFT + across}" y="{bottom + 32}" text-anchor="end" fill="{_FAINT}">{escape(panel.x.label)}</text>',
    ]
    shown = [
        (
            line,
            [
                (*at(x, y), note)
                for (x, y), note in zip(line.points, _notes(line), strict=True)
                if _has_place(panel, x, y)
            ],
        )
        for line in panel.lines
    ]
    drawn = [(line, points) for line, points in shown if points]
    labels = spread_out([points[-1][1] for _, points in drawn], apart=_LABEL_HEIGHT, low=top, high=bottom)
    for (line, points), label in sorted(zip(drawn, labels, strict=True), key=lambda pair: pair[0][0].thick):
        parts += _line(line, points, label)
    return parts


def _line(line: Line, points: Sequence[tuple[float, float, str]], label: float) -> list[str]:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    width = 2.6 if line.thick else 1.6
    edge = _WIDTH - _RIGHT
    weight = ' font-weight="600"' if line.thick else ""
    last_x, last_y, _ = points[-1]
    parts = [
        f'<path d="M{last_x:.1f} {last_y:.1f}L{edge + 8} {label:.1f}" stroke="{line.color}" stroke-width="0.7" opacity="0.6"/>',
        f'<polyline points="{corners}" fill="none" stroke="{line.color}" stroke-width="{width}" stroke-linejoin="round"{dashes}/>',
        # The name in the colour of text: some colours that are easy to distinguish are too faint to read.
        f'<circle cx="{edge + 10}" cy="{label:.1f}" r="3.5" fill="{line.color}"/>',
        f'<text x="{edge + 18}" y="{label + 4:.1f}"{weight}>{escape(line.name)}</text>',
    ]
    if line.notes:
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 0.6:.1f}" fill="{line.color}"/>' for x, y, _ in points
        ]
        parts += [
            f'<text x="{x - 7:.1f}" y="{y + 4:.1f}" font-size="10" text-anchor="end">{escape(note)}</text>'
            for x, y, note in points
            if note
        ]
    return parts


def _notes(line: Line) -> Sequence[str]:
    return line.notes or [""] * len(line.points)


def _has_place(panel: Panel, x: float, y: float) -> bool:
    return all(value > 0 or not axis.log for axis, value in ((panel.x, x), (panel.y, y)))


def _round_step(extent: float) -> float:
    """Choose a step of 1, 2 or 5 times a power of ten that parts an extent into about five."""
    rough = extent / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * (1 - 1e-9))
