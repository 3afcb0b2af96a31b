"""Why a score is what it is, as a waterfall: from the base value, feature by feature, to the margin and its score."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from math import isclose

from presage_export.bundle.link import logistic

__all__ = ["Part", "Step", "Waterfall", "scores_of_margins", "waterfall"]

_SHOWN = 12
_NAMED = 3
_TOLERANCE = 1e-6
"""Of the sum, and of a score against its margin: contributions are float64, features and trees float32."""

ToScore = Callable[[float], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one feature adds to a margin."""

    feature: str
    words: str
    """The feature's value in words."""
    contribution: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a waterfall."""

    name: str
    """The feature, or what the step stands for."""
    words: str
    """The feature's value in words; empty for steps that are no feature."""
    change: float | None
    """What it adds; None for the base value and the sum."""
    start: float
    """The margin before it; 0 for the base value and the sum."""
    end: float
    """The margin after it."""
    score: float | None
    """What the margin after it would be as a score; None if that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waterfall:
    """All steps, and whether they lead where they should."""

    steps: tuple[Step, ...]
    """The base value, the features that weigh most, the rest together, and the margin."""
    margin: float
    score: float
    difference: float
    """By how much the base value and all contributions miss the margin."""
    adds_up: bool
    """Whether that is no more than rounding."""
    score_follows: bool
    """Whether the margin's score is known to be the score: it is not where the calibration is not known."""

    @property
    def raised(self) -> tuple[str, ...]:
        """What raised the margin most, in words, the strongest first."""
        return tuple(step.words for step in self.steps if step.words and (step.change or 0.0) > 0.0)[:_NAMED]

    @property
    def lowered(self) -> tuple[str, ...]:
        """What lowered it most, likewise."""
        return tuple(step.words for step in self.steps if step.words and (step.change or 0.0) < 0.0)[:_NAMED]


def waterfall(
    parts: Iterable[Part], *, base_margin: float, margin: float, score: float, to_score: ToScore | None
) -> Waterfall:
    """Order contributions by their weight, and add them up.

    Args:
        parts: What each feature adds.
        base_margin: The margin of no visitor in particular.
        margin: What they add up to.
        score: What the model says.
        to_score: The model's calibration or link; None if it is not known.
    """
    ordered = sorted(parts, key=lambda part: (-abs(part.contribution), part.feature))
    shown = [part for part in ordered[:_SHOWN] if part.contribution]
    rest = ordered[len(shown) :]
    changes = [(part.feature, part.words, part.contribution) for part in shown]
    if any(part.contribution for part in rest):
        name = "1 other feature" if len(rest) == 1 else f"{len(rest)} other features"
        changes.append((name, "", sum(part.contribution for part in rest)))
    if to_score is not None and not _is_near(to_score(margin), score):
        to_score = None

    def as_score(of_margin: float) -> float | None:
        return None if to_score is None else to_score(of_margin)

    levels = list(accumulate((change for _, _, change in changes), initial=base_margin))
    steps = [Step(name="Base value", words="", change=None, start=0.0, end=base_margin, score=as_score(base_margin))]
    for (name, words, change), start, end in zip(changes, levels, levels[1:], strict=False):
        steps.append(Step(name=name, words=words, change=change, start=start, end=end, score=as_score(end)))
    steps.append(Step(name="This score", words="", change=None, start=0.0, end=margin, score=score))
    difference = levels[-1] - margin
    return Waterfall(
        steps=tuple(steps),
        margin=margin,
        score=score,
        difference=difference,
        adds_up=_is_near(levels[-1], margin),
        score_follows=to_score is not None,
    )


def scores_of_margins(margin: float, score: float) -> ToScore | None:
    """Guess from one pair how a model turns margins into scores: by the logistic function, not at all, or None: unknown."""
    if _is_near(logistic(margin), score):
        return logistic
    return float if _is_near(margin, score) else None


def _is_near(first: float, second: float) -> bool:
    return isclose(first, second, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
