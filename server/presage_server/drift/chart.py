"""A chart of drift as SVG: a row for each column, a cell for each window, dark where it matters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape

from presage_server.drift.report import DriftReport

__all__ = ["draw_chart"]

_NAME_WIDTH, _WIDTH = 220, 720
_ROW, _TITLE = 14, 34
_COLORS = ("#f2f2f2", "#d6e4ee", "#9ec3dd", "#e9b384", "#d55e00")
"""For an effect of less than a quarter, a half, the whole and twice of what matters, and above."""
_BOUNDS = (0.25, 0.5, 1.0, 2.0)


def draw_chart(reports: Sequence[DriftReport]) -> str:
    """Draw all windows of some reports, one below the other; windows that belong to an alarm have a frame."""
    parts: list[str] = []
    top = 0
    for report in reports:
        top = _draw(report, parts, top) + 20
    width = _NAME_WIDTH + _WIDTH + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="drift of served features">{"".join(parts)}</svg>\n'
    )


def _draw(report: DriftReport, parts: list[str], top: int) -> int:
    """Draw one report from ``top`` on; returns where it ends."""
    windows = report.windows
    parts.append(f'<text x="0" y="{top + 14}" font-size="14">{escape(report.name)}</text>')
    if not windows:
        parts.append(f'<text x="0" y="{top + 30}">no window yet</text>')
        return top + 34
    first, end = windows[0].start_unix_micros, windows[-1].end_unix_micros
    scale = _WIDTH / (end - first)
    for moment, anchor in ((first, "start"), (end, "end")):
        x = _NAME_WIDTH + (moment - first) * scale
        text = dt.datetime.fromtimestamp(moment / 1e6, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        parts.append(f'<text x="{x:.1f}" y="{top + 28}" text-anchor="{anchor}">{text}</text>')
    ratios: dict[str, dict[int, float]] = {}
    for finding in report.findings:
        row = ratios.setdefault(finding.column, {})
        row[finding.window] = max(row.get(finding.window, 0.0), finding.effect / finding.needed)
    alarmed = {(alarm.column, each) for alarm in report.alarms for each in range(alarm.since, alarm.last.window + 1)}
    y = top + _TITLE
    for column, row in ratios.items():
        parts.append(f'<text x="{_NAME_WIDTH - 6}" y="{y + 10}" text-anchor="end">{escape(column)}</text>')
        for place, ratio in row.items():
            x = _NAME_WIDTH + (windows[place].start_unix_micros - first) * scale
            width = (windows[place].end_unix_micros - windows[place].start_unix_micros) * scale
            color = _COLORS[sum(ratio >= bound for bound in _BOUNDS)]
            frame = ' stroke="#000"' if (column, place) in alarmed else ""
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{max(1.0, width - 0.5):.1f}" height="{_ROW - 2}" fill="{color}"{frame}/>'
            )
        y += _ROW
    return y
