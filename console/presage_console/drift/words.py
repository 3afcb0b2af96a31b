"""What an alarm or a test says, in words, and when."""

from __future__ import annotations

import datetime as dt

from presage_console.formats import percent
from presage_export.drift import SCORE, VISITORS, Alarm, Finding
from presage_featurizer import CATALOGUE

__all__ = ["TESTS", "describe_alarm", "describe_column", "describe_finding", "moment"]

TESTS = {
    "distribution": "shares of all bins",
    "level": "level",
    "zeros": "share of zeros",
    "defaults": "share of the value without history",
    "missing": "share of missing values",
    "busiest": "share of the busiest visitor",
}
"""What each test compares."""


def describe_alarm(alarm: Alarm) -> str:
    """Say what has changed at worst."""
    return describe_finding(alarm.worst)


def describe_finding(finding: Finding) -> str:
    """Say what differs."""
    if finding.test == "distribution":
        return "its values are spread in another way"
    if finding.test == "busiest":
        return (
            f"one visitor has {percent(finding.found)} of the rows; the busiest usually has {percent(finding.expected)}"
        )
    if finding.test == "level":
        than = "larger" if finding.found >= finding.expected else "smaller"
        return (
            f"its values are {than}: the average row lies above {percent(finding.found)} of training's rows, usually above "
            f"{percent(finding.expected, 0)}"
        )
    what = {"zeros": "zeros", "defaults": "the value of visitors without history", "missing": "missing values"}
    return f"{what[finding.test]} in {percent(finding.found)} of rows, usually {percent(finding.expected)}"


def describe_column(name: str) -> str:
    """Say what a column is; empty for a project's own features, whose meaning no bundle holds."""
    if name == VISITORS:
        return "How the rows are spread over visitors: whether one of them has many."
    if name == SCORE:
        return "What the model predicts."
    return CATALOGUE[name].meaning if name in CATALOGUE else ""


def moment(unix_micros: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_micros / 1e6, dt.UTC)
