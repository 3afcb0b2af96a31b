"""Two versions compared, as the page shows it: a row for each figure, with its interval and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from presage_client import ModelDetails, ModelKind, ModelSummary, RollbackRules, VersionState
from presage_console.errors import SourceError
from presage_console.formats import MINUS
from presage_console.models.aliases import to_registry
from presage_console.models.measurements import Figure, MeasuredComparison, Question, Span
from presage_export.registry import AliasesError

__all__ = [
    "ComparisonView",
    "FigureRow",
    "as_sentence",
    "comparable_versions",
    "comparison_question",
    "describe_comparison",
    "usual_pair",
]

_MIDDLE, _HALF = 50.0, 46.0
_ADVICE = {
    "promote": "Promote version {b}.",
    "roll back": "Roll version {b} back.",
    "continue": "Continue: nothing is decided yet.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureRow:
    """One figure of both versions."""

    name: str
    better: str
    a: str
    b: str
    difference: str
    interval: str
    says: str
    """Which version it favours, in words; empty where neither is better."""
    looks: str
    """How often the interval may be looked at."""
    bar: tuple[float, float, float] | None
    """Low end, value and high end, on a line of 0 to 100 whose middle is no difference; None where the ends are not known yet, or
    there is no difference to show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonView:
    """A comparison in words and rows."""

    versions: tuple[str, str]
    target: str
    seen: str
    """Over what it was measured."""
    left_out: tuple[str, ...]
    rows: tuple[FigureRow, ...]
    sentence: str
    action: str
    advice: str
    level: str
    """How likely the verdict is wrong."""


def describe_comparison(found: MeasuredComparison) -> ComparisonView:
    """Put a comparison into words and rows."""
    more = as_sentence(found.reason.removeprefix(found.sentence).strip())
    return ComparisonView(
        versions=found.versions,
        target=found.target,
        seen=f"{found.rows:,} sessions of {found.visitors:,} visitors, {found.found}" if found.rows else "",
        left_out=tuple(f"{count:,} {reason}" for reason, count in found.left_out.items()),
        rows=tuple(_row(figure, found.versions) for figure in found.figures),
        sentence=found.sentence,
        action=found.action,
        advice=f"{_ADVICE[found.action].format(b=found.versions[1])} {more}".rstrip(),
        level=f"{found.alpha:.3g}",
    )


def as_sentence(text: str) -> str:
    """Return a reason with a capital letter, unless it begins with the name of a version, and a full stop; empty if it is empty."""
    if not text:
        return ""
    first = text.partition(" ")[0]
    begun = text if "/" in first else text[0].upper() + text[1:]
    return begun if begun.endswith(".") else f"{begun}."


def usual_pair(model: ModelSummary, versions: Sequence[str]) -> tuple[str, str] | None:
    """Return which two versions to compare unless others are asked for: the champion, and what is tried beside it.

    Args:
        model: As the server lists it.
        versions: Those that can be compared, the oldest first.

    Returns:
        None if there is nothing to compare.
    """
    try:
        aliases = to_registry(model.aliases)
    except AliasesError:
        return None
    champion = aliases.champion
    others = [aliases.challenger, aliases.shadow, *reversed(versions)]
    other = next((version for version in others if version and version not in {champion, aliases.prior}), "")
    return (champion, other) if champion and other else None


def comparison_question(
    archive: Path, model: ModelSummary, versions: tuple[str, str], details: Mapping[str, ModelDetails]
) -> Question:
    """Ask how two versions compare, by what their bundles say that they predict.

    Raises:
        SourceError: They do not predict the same.
    """
    data = [details[version].training_data if version in details else {} for version in versions]
    targets = {found["target"] for found in data if "target" in found}
    if len(targets) > 1:
        raise SourceError(
            f"Versions {versions[0]} and {versions[1]} cannot be compared: they predict {' and '.join(sorted(targets))}."
        )
    rules = model.aliases.rollback or RollbackRules()
    return Question(
        archive=str(archive),
        model=model.name,
        versions=versions,
        target=next(iter(targets), ""),
        ranks=model.kind is ModelKind.RANKING,
        log_question=data[-1].get("question", ""),
        alpha=rules.paired_alpha,
    )


def comparable_versions(model: ModelSummary) -> tuple[str, ...]:
    """Return the versions that may have scored something, the oldest first."""
    return tuple(each.version for each in model.versions if each.state is not VersionState.REJECTED)


def _row(figure: Figure, versions: tuple[str, str]) -> FigureRow:
    difference = figure.difference
    compares = figure.a is not None
    return FigureRow(
        name=figure.name,
        better=figure.better,
        a=_value(figure.a),
        b=_value(figure.b),
        difference=_signed(difference.value) if compares else _value(difference),
        interval=_interval(difference),
        says=_says(figure, versions),
        looks="any number" if figure.any_look else "one",
        bar=_bar(difference) if compares else None,
    )


def _says(figure: Figure, versions: tuple[str, str]) -> str:
    _, low, high = figure.difference
    if figure.better not in {"lower", "higher"}:
        return ""
    if low is None or high is None:
        return "not known yet"
    if low <= 0.0 <= high:
        return "no difference seen"
    b_is_better = (high < 0.0) == (figure.better == "lower")
    return f"version {versions[1] if b_is_better else versions[0]} is better"


def _bar(span: Span) -> tuple[float, float, float] | None:
    value, low, high = span
    if value is None or low is None or high is None:
        return None
    reach = max(abs(low), abs(high), abs(value))
    if not reach:
        return (_MIDDLE, _MIDDLE, _MIDDLE)
    low_place, place, high_place = (round(_MIDDLE + _HALF * end / reach, 2) for end in (low, value, high))
    return low_place, place, high_place


def _interval(span: Span) -> str:
    if span.low is None or span.high is None:
        return "not known yet"
    return _with_minus(f"{span.low:.4f} to {span.high:.4f}")


def _value(span: Span | None) -> str:
    return "" if span is None or span.value is None else _with_minus(f"{span.value:.4f}")


def _signed(value: float | None) -> str:
    return "" if value is None else _with_minus(f"{value:+.4f}")


def _with_minus(text: str) -> str:
    return text.replace("-", MINUS)
