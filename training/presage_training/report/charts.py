"""Charts as inline SVG, so that a page is self-contained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

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
    diagonal: bool = False,
    level: float | None = None,
    dots: bool = False,
) -> str:
    """Draw curves over 0 to 1.

    Args:
        title: What it shows, for those who cannot see it.
        curves: The points of each curve, by name; empty curves are skipped.
        x_label: What x is.
        y_label: What y is.
        diagonal: Whether to draw where x is y.
        level: Where to draw a horizontal line, if anywhere.
        dots: Whether to mark the points.
    """
    shown = {name: curve for name, curve in curves.items() if curve}
    height = _HEIGHT + _LEGEND_LINE * len(shown)
    parts = [_frame(x_label, y_label)]
    if diagonal:
        parts.append(f'<line class="guide" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>')
    if level is not None:
        parts.append(f'<line class="guide" x1="{_x(0)}" y1="{_y(level)}" x2="{_x(1)}" y2="{_y(level)}"/>')
    for index, (name, curve) in enumerate(shown.items()):
        color = COLORS[index % len(COLORS)]
        points = " ".join(f"{_x(x)},{_y(y)}" for x, y in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        if dots:
            parts += [f'<circle cx="{_x(x)}" cy="{_y(y)}" r="2.6" fill="{color}"/>' for x, y in curve]
        line = _HEIGHT + _LEGEND_LINE * index + 4
        parts.append(f'<rect x="{_LEFT}" y="{line - 8}" width="14" height="4" fill="{color}"/>')
        parts.append(f'<text x="{_LEFT + 20}" y="{line - 2}">{escape(name)}</text>')
    return _svg(title, _WIDTH, height, parts)


def histogram_chart(title: str, histogram: Histogram) -> str:
    """Draw the distributions of the scores of negative and of positive rows."""
    most = max((*histogram.negative, *histogram.positive, 1e-9))
    parts = [_frame("score", "share of the rows", top=most)]
    width = (_x(1) - _x(0)) / len(histogram.negative)
    for shares, color in ((histogram.negative, COLORS[0]), (histogram.positive, COLORS[1])):
        for index, share in enumerate(shares):
            top = _y(share / most)
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


def _frame(x_label: str, y_label: str, *, top: float = 1.0) -> str:
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<line class="grid" x1="{_x(0)}" y1="{_y(tick)}" x2="{_x(1)}" y2="{_y(tick)}"/>',
            f'<text x="{_x(0) - 5}" y="{_y(tick) + 4}" text-anchor="end">{tick * top:.2g}</text>',
            f'<text x="{_x(tick)}" y="{_y(0) + 14}" text-anchor="middle">{tick:g}</text>',
        ]
    middle = (_y(0) + _y(1)) / 2
    parts += [
        f'<text x="{(_x(0) + _x(1)) / 2}" y="{_y(0) + 30}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(y_label)}</text>',
    ]
    return "".join(parts)


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
