"""Two versions compared, as ``presage models compare`` does, in the form that the page reads.

What needs numpy is imported late, after the process that measures has given way to others.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from presage_console.models.measurements import (
    LEFT_OUT,
    Figure,
    MeasuredComparison,
    Question,
    Span,
    finite,
    left_out,
)

if TYPE_CHECKING:
    from presage_training.verdicts import Comparison, Decision, Estimate, Interval
    from presage_training.verdicts.lists import ListComparison

__all__ = ["measure_comparison"]

_SHOWN_BY = {
    "both": "lists of both versions were shown",
    "a": "only lists of the first version were shown",
    "b": "only lists of the second version were shown",
}


def measure_comparison(question: Question, versions: tuple[str, str]) -> MeasuredComparison:
    """Compare two versions; raises what the archive does not allow."""
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
        unmatched = {LEFT_OUT[name]: count for name, count in asdict(comparison.unmatched).items()}
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
        unmatched = {LEFT_OUT["waiting"]: comparison.waiting}
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
        left_out=left_out(unmatched, skipped),
        figures=tuple(figure for figure in figures if figure is not None) if comparison.rows else (),
        sentence=comparison.sentence,
        action=decision.action.value,
        reason=decision.reason,
        alpha=comparison.alpha,
    )


def _figure(name: str, better: str, estimate: Estimate | None, *, any_look: bool = False) -> Figure | None:
    if estimate is None:
        return None
    a, b, difference = _span(estimate.a), _span(estimate.b), _span(estimate.difference)
    return Figure(name=name, better=better, a=a, b=b, difference=difference, any_look=any_look)


def _of_both(name: str, interval: Interval) -> Figure:
    return Figure(name=name, better="", a=None, b=None, difference=_span(interval), any_look=False)


def _span(interval: Interval) -> Span:
    return Span(*map(finite, interval))
