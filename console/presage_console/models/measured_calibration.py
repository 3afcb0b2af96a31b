"""How far scores were from what happened, by version, in the form that the page reads.

What needs numpy is imported late, after the process that measures has given way to others.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from presage_console.models.measurements import (
    BINS,
    LEFT_OUT,
    Bin,
    Day,
    MeasuredCalibration,
    Question,
    VersionScores,
    finite,
    left_out,
)

if TYPE_CHECKING:
    from presage_training.verdicts.outcomes import Outcome

__all__ = ["measure_calibration"]


def measure_calibration(question: Question) -> MeasuredCalibration:
    """Measure the scores of all versions; raises what the archive does not allow."""
    from presage_training.datasets.targets import parse_target  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415
    from presage_training.verdicts.daily import measure_days  # noqa: PLC0415
    from presage_training.verdicts.reading import choose_of_sessions, read_outcomes  # noqa: PLC0415
    from presage_training.verdicts.versions import DEFAULT_TARGET  # noqa: PLC0415

    target = parse_target(question.target or DEFAULT_TARGET)
    skipped = SkippedRows()
    outcomes = read_outcomes(
        Path(question.archive),
        lambda vectors: (vector for vector in vectors if vector.model == question.model),
        target,
        since_unix_micros=0,
        skipped=skipped,
    )
    of_version: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes.found:
        of_version[outcome.vector.model_version].append(outcome)
    end = outcomes.log_end_unix_micros
    versions = []
    for version, found in sorted(of_version.items()):
        chosen = choose_of_sessions(found)
        known = [outcome for outcome in chosen if outcome.matured_unix_micros < end]
        bins = _bins(known, is_classification=target.is_classification)
        versions.append(
            VersionScores(version=version, sessions=len(known), waiting=len(chosen) - len(known), bins=bins)
        )
    counts = {
        LEFT_OUT["not_eligible"]: outcomes.not_eligible,
        LEFT_OUT["unknown_event"]: outcomes.unknown_event,
    }
    return MeasuredCalibration(
        target=target.name,
        is_classification=target.is_classification,
        versions=tuple(versions),
        days=tuple(
            Day(
                day=each.day,
                version=each.version,
                sessions=each.sessions,
                waiting=each.waiting,
                mean_score=finite(each.mean_score),
                mean_outcome=finite(each.mean_outcome),
                squared_error=finite(each.squared_error),
                auc=each.auc,
            )
            for each in measure_days(outcomes, target)
        ),
        left_out=left_out(counts, skipped.counts),
    )


def _bins(known: list[Outcome], *, is_classification: bool) -> tuple[Bin, ...]:
    """Divide sessions into parts of equal size by score; equal scores stay together."""
    import numpy as np  # noqa: PLC0415

    if not known:
        return ()
    scores = np.array([outcome.vector.score for outcome in known], np.float64)
    labels = np.array([outcome.label for outcome in known], np.float64)
    edges = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    part = np.searchsorted(edges, scores, side="left")
    bins = []
    for number in np.unique(part):
        chosen = part == number
        low, high = _interval(labels[chosen].tolist(), is_classification=is_classification)
        bins.append(
            Bin(
                sessions=int(chosen.sum()),
                mean_score=float(scores[chosen].mean()),
                mean_outcome=float(labels[chosen].mean()),
                low=low,
                high=high,
            )
        )
    return tuple(bins)


def _interval(labels: list[float], *, is_classification: bool) -> tuple[float, float]:
    """Return the 95 % interval of a mean outcome: Wilson's of a share, the normal one of an amount."""
    from scipy import stats  # noqa: PLC0415

    if is_classification:
        found = stats.binomtest(round(sum(labels)), len(labels)).proportion_ci(method="wilson")
        return float(found.low), float(found.high)
    mean = sum(labels) / len(labels)
    half = 1.96 * float(stats.sem(labels)) if len(labels) > 1 else 0.0
    return mean - half, mean + half
