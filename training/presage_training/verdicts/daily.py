"""How good the scores of each day were, measured by their outcomes: for each version that served."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from presage_featurizer import MICROS
from presage_featurizer.event_log import ServedVector
from presage_training.datasets.targets import Target
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.verdicts.outcomes import Outcome, Outcomes
from presage_training.verdicts.reading import choose_of_sessions, read_outcomes

__all__ = ["DAY_MICROS", "DayOfScores", "measure_days", "read_days"]

DAY_MICROS: Final = 86_400 * MICROS


@dataclass(frozen=True, kw_only=True, slots=True)
class DayOfScores:
    """What came of the scores that a version served on one day, one of each session of a visitor."""

    version: str
    day: int
    """Days since 1970-01-01, in UTC, of the scores."""
    sessions: int
    """Sessions whose outcome is known."""
    waiting: int
    """Sessions whose outcome is not known yet."""
    mean_score: float
    """Over the sessions whose outcome is known, as all fields below; NaN without any."""
    mean_outcome: float
    squared_error: float
    """The mean; of probabilities it is the Brier score."""
    auc: float | None
    """None for amounts, and where all outcomes are alike."""

    @property
    def known(self) -> float:
        """The share of sessions whose outcome is known; while it is below 1, the other fields may still change."""
        return self.sessions / (self.sessions + self.waiting)


def read_days(
    archive: Path, *, model: str, target: Target, since_unix_micros: int = 0, skipped: SkippedRows | None = None
) -> list[DayOfScores]:
    """Measure the scores of a model that an archive holds, by day and version.

    Args:
        archive: The folder of ``presage archive --to``.
        model: The model's name.
        target: What the model predicts.
        since_unix_micros: Scores from before this moment are left out.
        skipped: Counts the events that this release cannot read.

    Raises:
        OSError: The folder or a file cannot be opened.
        LogFormatError: The folder holds no archive, or a file in it cannot be read.
        VerdictError: The target is none that outcomes are known for.
    """
    outcomes = read_outcomes(
        archive,
        lambda vectors: (vector for vector in vectors if vector.model == model),
        target,
        since_unix_micros=since_unix_micros,
        skipped=skipped,
    )
    return measure_days(outcomes, target)


def measure_days(outcomes: Outcomes, target: Target) -> list[DayOfScores]:
    """Measure scores by day and version, in this order.

    Args:
        outcomes: Of the vectors that were served.
        target: What the outcomes are of.
    """
    groups: defaultdict[tuple[int, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes.found:
        groups[_day(outcome.vector), outcome.vector.model_version].append(outcome)
    return [
        _measure(day, version, choose_of_sessions(found), outcomes.log_end_unix_micros, target)
        for (day, version), found in sorted(groups.items())
    ]


def _day(vector: ServedVector) -> int:
    return vector.as_of_unix_micros // DAY_MICROS


def _measure(day: int, version: str, chosen: Sequence[Outcome], end_unix_micros: int, target: Target) -> DayOfScores:
    known = [outcome for outcome in chosen if outcome.matured_unix_micros < end_unix_micros]
    scores = np.array([outcome.vector.score for outcome in known], np.float64)
    labels = np.array([outcome.label for outcome in known], np.float64)
    ranks = target.is_classification and len(np.unique(labels)) > 1
    return DayOfScores(
        version=version,
        day=day,
        sessions=len(known),
        waiting=len(chosen) - len(known),
        mean_score=_mean(scores),
        mean_outcome=_mean(labels),
        squared_error=_mean((scores - labels) ** 2),
        auc=float(roc_auc_score(labels, scores)) if ranks else None,
    )


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
