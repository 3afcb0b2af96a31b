"""What is measured in an archive for the page Models, as the process that measures writes it and the page reads it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from presage_featurizer.event_log import CHECKPOINT_FILE

__all__ = [
    "BINS",
    "LEFT_OUT",
    "Bin",
    "Day",
    "Failure",
    "Figure",
    "Measured",
    "MeasuredCalibration",
    "MeasuredComparison",
    "Question",
    "Span",
    "VersionScores",
    "archive_stamp",
    "finite",
    "left_out",
]

LEFT_OUT: Final = {
    "waiting": "sessions whose outcome is not known yet",
    "not_eligible": "scores for which there is nothing to predict, such as after the purchase",
    "unknown_event": "scores after an event that is not in the archive",
    "same_session": "more scores of sessions that are counted already",
}
"""Why scores are left out, in words."""
BINS: Final = 10
"""Into how many parts of equal size the scores of a version are divided."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure. Equal questions have equal answers while the archive is the same."""

    archive: str
    """The folder of ``presage archive --to``."""
    model: str
    versions: tuple[str, str] | None = None
    """Compare these two, A and B; None: how good the scores of each version were."""
    target: str = ""
    """What the scores predict; empty: its bundle does not say."""
    ranks: bool = False
    """Whether the model ranks items."""
    log_question: str = ""
    """What a model that ranks asks of a log, such as ``next-item``; empty: its bundle does not say."""
    alpha: float = 0.05
    """How likely a verdict may be wrong, over all looks."""


class Span(NamedTuple):
    """A figure with the ends of its interval; None where they are not known yet."""

    value: float | None
    low: float | None
    high: float | None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of both versions."""

    name: str
    better: str
    """``lower``, ``higher``, ``nearer to 0``, or empty where neither is better."""
    a: Span | None
    b: Span | None
    """None of a figure that is of both together."""
    difference: Span
    """B - A, or the figure of both together."""
    any_look: bool
    """Whether the interval holds at all looks at once."""


class MeasuredComparison(msgspec.Struct, frozen=True, kw_only=True, tag="comparison"):
    """Two versions on the same rows, and what follows."""

    versions: tuple[str, str]
    target: str
    rows: int
    visitors: int
    found: str
    """How many of the rows have what versions differ by, in words."""
    left_out: dict[str, int]
    """Pairs that are not among the rows, by the reason; none that are 0."""
    figures: tuple[Figure, ...]
    sentence: str
    """The difference, in one sentence."""
    action: str
    """``promote``, ``roll back`` or ``continue``."""
    reason: str
    alpha: float


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of similar scores."""

    sessions: int
    mean_score: float
    mean_outcome: float
    low: float
    """95 % interval of the mean outcome."""
    high: float


class VersionScores(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the scores that a version served, one of each session of a visitor."""

    version: str
    sessions: int
    """Whose outcome is known."""
    waiting: int
    bins: tuple[Bin, ...]
    """By score, the lowest first; empty without sessions."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the scores that a version served on one day."""

    day: int
    """Days since 1970-01-01, in UTC."""
    version: str
    sessions: int
    waiting: int
    mean_score: float | None
    mean_outcome: float | None
    squared_error: float | None
    auc: float | None


class MeasuredCalibration(msgspec.Struct, frozen=True, kw_only=True, tag="calibration"):
    """How good the scores of each version were."""

    target: str
    is_classification: bool
    versions: tuple[VersionScores, ...]
    days: tuple[Day, ...]
    """By day, the oldest first, and version."""
    left_out: dict[str, int]


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """It could not be measured."""

    message: str
    """Why, and what to do."""


Measured = MeasuredComparison | MeasuredCalibration | Failure


def archive_stamp(archive: Path) -> tuple[int, int]:
    """Return what changes with each batch of an archive; zeros if there is none."""
    try:
        found = (archive / CHECKPOINT_FILE).stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_ino


def finite(value: float) -> float | None:
    """Return a number; None for infinity and NaN."""
    # JSON has neither infinity nor NaN.
    return float(value) if math.isfinite(value) else None


def left_out(counts: dict[str, int], skipped: dict[str, int]) -> dict[str, int]:
    """Return how many scores and events were left out, by the reason; none that are 0."""
    events = {f"events: {reason}": count for reason, count in skipped.items()}
    return {reason: count for reason, count in (counts | events).items() if count}
