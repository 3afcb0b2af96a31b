"""``python -m presage_console.models.measuring QUESTION``: what an archive says of a model's versions, as JSON on stdout.

An archive may take minutes to read: in a process of its own, which gives way to all others, pages are answered meanwhile, and the
memory is free again afterwards. It ends when stdin does, and so with the console, however that ends.
"""

from __future__ import annotations

import math
import os
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import msgspec

from presage_console.models.measurements import (
    BINS,
    Bin,
    Day,
    Failure,
    Figure,
    Measured,
    MeasuredCalibration,
    MeasuredComparison,
    Question,
    Span,
    VersionScores,
)

if TYPE_CHECKING:  # numpy and all that needs it are imported after this process gives way
    from presage_training.verdicts import Comparison, Decision, Estimate, Interval
    from presage_training.verdicts.lists import ListComparison
    from presage_training.verdicts.outcomes import Outcome

__all__ = ["main", "measure"]

_SHOWN_BY = {
    "both": "lists of both versions were shown",
    "a": "only lists of the first version were shown",
    "b": "only lists of the second version were shown",
}
_LEFT_OUT = {
    "waiting": "sessions whose outcome is not known yet",
    "not_eligible": "scores for which there is nothing to predict, such as after the purchase",
    "unknown_event": "scores after an event that is not in the archive",
    "same_session": "more scores of sessions that are counted already",
}


def measure(question: Question) -> Measured:
    """Answer a question; what the archive does not allow is an answer, too."""
    try:
        from presage_export.errors import ExportError  # noqa: PLC0415 - after this process gives way
        from presage_featurizer import FeaturizerError  # noqa: PLC0415
        from presage_training.errors import TrainingError  # noqa: PLC0415

        try:
            return _calibrate(question) if question.versions is None else _compare(question, question.versions)
        except (TrainingError, ExportError, FeaturizerError) as error:
            return Failure(message=str(error))
        except OSError as error:
            return Failure(
                message=f"{error.filename or question.archive}: {error.strerror or error}; expected the folder that presage "
                "archive writes"
            )
    except ModuleNotFoundError as error:
        return Failure(message=f"{error.name} is not installed here; pip install 'presage-scoring[train]' adds it")


def _compare(question: Question, versions: tuple[str, str]) -> MeasuredComparison:
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415
    from presage_training.verdicts.lists import DEFAULT_TARGETS, ListTarget  # noqa: PLC0415
    from presage_training.verdicts.versions import (  # noqa: PLC0415
        DEFAULT_TARGET,
        VersionPair,
        compare_versions,
        find_target,
    )

    archive = Path(question.archive)
    stated = DEFAULT_TARGETS.get(question.log_question, ListTarget().name) if question.ranks else question.target
    target = find_target(archive, None, question.model, versions, stated or DEFAULT_TARGET)
    skipped = SkippedRows()
    pair = VersionPair(archive=archive, model=question.model, versions=versions, alpha=question.alpha)
    comparison, decision = compare_versions(pair, target, skipped)
    return _describe(comparison, decision, versions, skipped.counts)


def _describe(
    comparison: Comparison | ListComparison, decision: Decision, versions: tuple[str, str], skipped: dict[str, int]
) -> MeasuredComparison:
    from presage_training.verdicts import Comparison  # noqa: PLC0415

    if isinstance(comparison, Comparison):
        found = f"{comparison.positives:,} of them with a purchase"
        unmatched = {_LEFT_OUT[name]: count for name, count in asdict(comparison.unmatched).items()}
        figures = [
            _figure(
                "log loss" if comparison.is_classification else "squared error", "lower", comparison.loss, any_look=True
            ),
            _figure("ROC-AUC", "higher", comparison.auc),
            _figure("mean score less mean outcome", "nearer to 0", comparison.calibration),
            _figure("outcome of visitors that it served", "higher", comparison.conversion, any_look=True),
            _of_both("rank correlation of the scores", comparison.agreement),
        ]
    else:
        found = (
            f"{comparison.found:,} of them with an item taken that a version has among its first {comparison.k}; "
            f"{comparison.lists:,} lists; {_SHOWN_BY[comparison.shown_by]}"
        )
        unmatched = {_LEFT_OUT["waiting"]: comparison.waiting}
        figures = [
            _figure(f"NDCG@{comparison.k} of what was taken", "higher", comparison.ndcg, any_look=True),
            _figure("reciprocal rank", "higher", comparison.reciprocal_rank),
            _figure("takers among visitors that it served", "higher", comparison.took, any_look=True),
            _figure("buyers among visitors that it served", "higher", comparison.purchased, any_look=True),
            _of_both(f"share of the first {comparison.k} that both have", comparison.overlap),
        ]
    return MeasuredComparison(
        versions=versions,
        target=comparison.target,
        rows=comparison.rows,
        visitors=comparison.visitors,
        found=found,
        left_out=_left_out(unmatched, skipped),
        figures=tuple(figure for figure in figures if figure is not None) if comparison.rows else (),
        sentence=comparison.sentence,
        action=decision.action.value,
        reason=decision.reason,
        alpha=comparison.alpha,
    )


def _calibrate(question: Question) -> MeasuredCalibration:
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
        _LEFT_OUT["not_eligible"]: outcomes.not_eligible,
        _LEFT_OUT["unknown_event"]: outcomes.unknown_event,
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
                mean_score=_finite(each.mean_score),
                mean_outcome=_finite(each.mean_outcome),
                squared_error=_finite(each.squared_error),
                auc=each.auc,
            )
            for each in measure_days(outcomes, target)
        ),
        left_out=_left_out(counts, skipped.counts),
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


def _figure(name: str, better: str, estimate: Estimate | None, *, any_look: bool = False) -> Figure | None:
    if estimate is None:
        return None
    a, b, difference = _span(estimate.a), _span(estimate.b), _span(estimate.difference)
    return Figure(name=name, better=better, a=a, b=b, difference=difference, any_look=any_look)


def _of_both(name: str, interval: Interval) -> Figure:
    return Figure(name=name, better="", a=None, b=None, difference=_span(interval), any_look=False)


def _span(interval: Interval) -> Span:
    return Span(*map(_finite, interval))


def _finite(value: float) -> float | None:
    # JSON has neither infinity nor NaN.
    return float(value) if math.isfinite(value) else None


def _left_out(counts: dict[str, int], skipped: dict[str, int]) -> dict[str, int]:
    events = {f"events: {reason}": count for reason, count in skipped.items()}
    return {reason: count for reason, count in (counts | events).items() if count}


def _end_with_stdin() -> None:
    os.read(0, 1)  # not from ``sys.stdin``, which Python could not close then
    os._exit(1)


def main() -> None:
    """Answer the question of the command line."""
    from presage_training.giving_way import give_way, volunteer_to_be_killed  # noqa: PLC0415

    Thread(target=_end_with_stdin, daemon=True).start()
    give_way()
    volunteer_to_be_killed()
    answer = measure(msgspec.json.decode(sys.argv[1], type=Question))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
