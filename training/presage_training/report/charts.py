"""Charts as inline SVG, so that a page is self-contained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from presage_training.report.axes import UNIT, Axis
from presage_training.report.curves import Curve, Histogram

__all__ = ["COLORS", "bar_chart", "histogram_chart", "line_chart"]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b3a8c", "#7a7a7a", "#a0522d", "#000000")
"""The colors of the curves; the first are distinguishable for colour-blind readers (Okabe and Ito, 2008)."""

_WIDTH, _HEIGHT = 420, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
_LEGEND_LINE = 16
_BAR_HEIGHT = 18
_NAME_WIDTH = 200


def line_chart(
    title: str,
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    x_axis: Axis = UNIT,
    y_axis: Axis = UNIT,
    diagonal: bool = False,
    level: float | None = None,
    dots: bool = False,
) -> str:
    """Draw curves.

    Args:
        title: What it shows, for those who cannot see it.
        curves: The points of each curve, by name; empty curves and points beyond the axes are skipped.
        x_label: What x is.
        y_label: What y is.
        x_axis: The scale of x.
        y_axis: The scale of y.
        diagonal: Whether to draw where x is y; needs the same scale for both.
        level: Where to draw a horizontal line, if anywhere.
        dots: Whether to mark the points.
    """
    shown = {name: curve for name, curve in curves.items() if curve}
    height = _HEIGHT + _LEGEND_LINE * len(shown)
    parts = [_frame(x_axis, y_axis, x_label, y_label)]
    if diagonal:
        parts.append(f'<line class="guide" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>')
    if level is not None:
        line = _y(y_axis.place(level))
        parts.append(f'<line class="guide" x1="{_x(0)}" y1="{line}" x2="{_x(1)}" y2="{line}"/>')
    for index, (name, curve) in enumerate(shown.items()):
        color = COLORS[index % len(COLORS)]
        places = [
            (_x(x_axis.place(x)), _y(y_axis.place(y)))
            for x, y in curve
            if x_axis.first <= x <= x_axis.last and y_axis.first <= y <= y_axis.last
        ]
        points = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        if dots:
            parts += [f'<circle cx="{x}" cy="{y}" r="2.6" fill="{color}"/>' for x, y in places]
        row = _HEIGHT + _LEGEND_LINE * index + 4
        parts.append(f'<rect x="{_LEFT}" y="{row - 8}" width="14" height="4" fill="{color}"/>')
        parts.append(f'<text x="{_LEFT + 20}" y="{row - 2}">{escape(name)}</text>')
    return _svg(title, _WIDTH, height, parts)


def histogram_chart(title: str, histogram: Histogram) -> str:
    """Draw the distributions of the scores of negative and of positive rows."""
    shares_axis = Axis.around((0.0, max((*histogram.negative, *histogram.positive))))
    parts = [_frame(Axis(histogram.first, histogram.last), shares_axis, "score", "share of the rows")]
    width = (_x(1) - _x(0)) / len(histogram.negative)
    for shares, color in ((histogram.negative, COLORS[0]), (histogram.positive, COLORS[1])):
        for index, share in enumerate(shares):
            top = _y(shares_axis.place(share))
            parts.append(
                f'<rect x="{_x(0) + index * width:.1f}" y="{top}" width="{width:.1f}" height="{_y(0) - top:.1f}" '
                f'fill="{color}" fill-opacity="0.5"/>'
            )
    for index, name in enumerate(("negative", "positive")):
        left = _x(1) - 90
        parts.append(
            f'<rect x="{left}" y="{20 + 16 * index}" width="10" height="10" fill="{COLORS[index]}" fill-opacity="0.5"/>'
        )
        parts.append(f'<text x="{left + 16}" y="{29 + 16 * index}">{name}</text>')
    return _svg(title, _WIDTH, _HEIGHT, parts)


def bar_chart(title: str, values: Sequence[tuple[str, float]], *, percent: bool) -> str:
    """Draw a bar for each value, the name to its left; bars below 0 have no length."""
    most = max([value for _, value in values] + [1e-12])
    room = _WIDTH - _NAME_WIDTH - 70
    parts = []
    for index, (name, value) in enumerate(values):
        top = index * _BAR_HEIGHT + 4
        said = f"{value:.1%}" if percent else f"{value:.4f}"
        width = max(0.0, value / most) * room
        parts += [
            f'<text x="{_NAME_WIDTH - 6}" y="{top + 11}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_NAME_WIDTH}" y="{top}" width="{width:.1f}" height="{_BAR_HEIGHT - 5}" fill="{COLORS[0]}"/>',
            f'<text x="{_NAME_WIDTH + width + 5:.1f}" y="{top + 11}">{said}</text>',
        ]
    return _svg(title, _WIDTH, len(values) * _BAR_HEIGHT + 8, parts)


def _x(share: float) -> float:
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _frame(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> str:
    """Draw a grid, the ticks, and the labels of the axes, which name the ends of one that is zoomed."""
    parts = []
    for tick in y_axis.ticks:
        y = _y(y_axis.place(tick))
        parts += [
            f'<line class="grid" x1="{_x(0)}" y1="{y}" x2="{_x(1)}" y2="{y}"/>',
            f'<text x="{_x(0) - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>',
        ]
    parts += [
        f'<text x="{_x(x_axis.place(tick))}" y="{_y(0) + 14}" text-anchor="middle">{tick:g}</text>'
        for tick in x_axis.ticks
    ]
    middle = (_y(0) + _y(1)) / 2
    x_text, y_text = escape(x_axis.label(x_label)), escape(y_axis.label(y_label))
    parts += [
        f'<text x="{(_x(0) + _x(1)) / 2}" y="{_y(0) + 30}" text-anchor="middle">{x_text}</text>',
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{y_text}</text>',
    ]
    return "".join(parts)


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
