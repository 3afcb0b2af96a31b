"""How far the scores of each version were from what happened, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from presage_console.charts import Chart, Marker, Series
from presage_console.models.measurements import BINS, Day, MeasuredCalibration, VersionScores

__all__ = ["CalibrationView", "VersionCalibration", "describe_calibration"]

_DAY_SECONDS: Final = 86_400
_MOST_VERSIONS: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionCalibration:
    """One version."""

    version: str
    sessions: int
    waiting: int
    mean_score: float | None
    """None where no outcome is known yet."""
    mean_outcome: float | None
    says: str
    """Whether its scores are too high or too low, in one sentence."""
    chart: Chart | None
    """None where no outcome is known yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationView:
    """All versions that served."""

    target: str
    unit: str
    """``%`` of probabilities."""
    versions: tuple[VersionCalibration, ...]
    """The newest first; those that served no one are not among them."""
    days: tuple[Day, ...]
    """The newest first."""
    chart: Chart | None
    """Day by day; None with fewer than two days."""
    left_out: tuple[str, ...]


def describe_calibration(found: MeasuredCalibration, order: Sequence[str]) -> CalibrationView:
    """Describe what was measured.

    Args:
        found: What was measured.
        order: The versions, the oldest first.
    """
    place = {version: number for number, version in enumerate(order)}
    unit = "%" if found.is_classification else ""
    newest_first = sorted(found.versions, key=lambda each: place.get(each.version, -1), reverse=True)
    return CalibrationView(
        target=found.target,
        unit=unit,
        versions=tuple(_describe(scores, unit) for scores in newest_first),
        days=tuple(reversed(found.days)),
        chart=_day_chart(found.days, [scores.version for scores in newest_first[:_MOST_VERSIONS]], unit),
        left_out=tuple(f"{count:,} {reason}" for reason, count in found.left_out.items()),
    )


def _describe(scores: VersionScores, unit: str) -> VersionCalibration:
    mean_score = _mean(scores, [each.mean_score for each in scores.bins])
    mean_outcome = _mean(scores, [each.mean_outcome for each in scores.bins])
    return VersionCalibration(
        version=scores.version,
        sessions=scores.sessions,
        waiting=scores.waiting,
        mean_score=mean_score,
        mean_outcome=mean_outcome,
        says=_says(scores),
        chart=_reliability(scores, unit) if scores.bins else None,
    )


def _says(scores: VersionScores) -> str:
    """Say how many parts of the scores have what happened outside of their interval."""
    if not scores.bins:
        return "No outcome of its scores is known yet."
    parts = len(scores.bins)
    high = sum(part.mean_score > part.high for part in scores.bins)
    low = sum(part.mean_score < part.low for part in scores.bins)
    if not high and not low:
        return f"In all {parts} parts, the mean score is within the 95 % interval of what happened."
    said = [f"too high in {high}" if high else "", f"too low in {low}" if low else ""]
    return (
        f"Of {parts} parts, the mean score is {' and '.join(filter(None, said))}, beyond the 95 % interval of what happened; by "
        "chance alone, one part in twenty is."
    )


def _reliability(scores: VersionScores, unit: str) -> Chart:
    means = [part.mean_score for part in scores.bins]
    return Chart(
        title=f"Version {scores.version}: what was predicted, and what happened",
        note=f'Sessions in up to {BINS} parts of equal size, by score. On the line "right", both are the same; '
        "the ends are of 95 % intervals.",
        x_name="mean score",
        x=means,
        series=(
            Series(name="happened", values=[part.mean_outcome for part in scores.bins], unit=unit),
            Series(name="right", values=means, unit=unit),
            Series(name="low end", values=[part.low for part in scores.bins], unit=unit),
            Series(name="high end", values=[part.high for part in scores.bins], unit=unit),
        ),
    )


def _day_chart(days: Sequence[Day], versions: Sequence[str], unit: str) -> Chart | None:
    numbers = sorted({day.day for day in days if day.mean_score is not None})
    if len(numbers) < 2:
        return None
    of_version = {(day.version, day.day): day for day in days}

    def distance(version: str, number: int) -> float | None:
        day = of_version.get((version, number))
        if day is None or day.mean_score is None or day.mean_outcome is None:
            return None
        return day.mean_score - day.mean_outcome

    return Chart(
        title="Day by day: mean score less mean outcome",
        note="Above 0, scores were too high. The newest days change while outcomes become known.",
        x_name="day",
        x=[number * _DAY_SECONDS for number in numbers],
        x_is_time=True,
        series=[
            Series(name=f"version {version}", values=[distance(version, number) for number in numbers], unit=unit)
            for version in versions
        ],
        markers=(Marker(at=0.0, label="right", axis="y"),),
    )


def _mean(scores: VersionScores, values: Sequence[float]) -> float | None:
    if not scores.sessions:
        return None
    return sum(value * part.sessions for value, part in zip(values, scores.bins, strict=True)) / scores.sessions
