"""What is too young to be judged, and what it lacks."""

from __future__ import annotations

from presage_console.drift.words import moment
from presage_server.drift.report import DriftReport

__all__ = ["what_waits", "why_too_young"]


def why_too_young(report: DriftReport) -> str:
    """Say why nothing, or not everything, can be said yet; empty if all can."""
    needed = int(report.version.baseline.min_visitors[0])
    if not report.windows:
        return (
            f"Too young to be judged: a window takes {needed:,} visitors, or a day, in hours that have ended, and there is none "
            "yet."
        )
    if len(report.windows) == 1:
        return "One window so far: what it shows is drawn here, and an alarm takes two in a row."
    return ""


def what_waits(report: DriftReport) -> str:
    """Say what was counted and is in no window yet; empty if nothing was."""
    waiting = report.waiting
    if waiting is None:
        return ""
    needed = int(report.version.baseline.min_visitors[0])
    return (
        f"Not yet in a window: {waiting.rows:,} rows of about {waiting.visitors:,} visitors, in hours from "
        f"{moment(waiting.start_unix_micros):%m-%d %H:%M} to {moment(waiting.end_unix_micros):%m-%d %H:%M} UTC; a window takes "
        f"{needed:,} visitors, or a day."
    )
