"""Why a score is what it is, as a backend gets it; the meanings are those of ``presage/v1/model_service.proto``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Contribution", "Explanation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contribution:
    """What one feature adds to a margin."""

    feature: str
    """The feature's name."""
    value: float
    """Its value: a float32 held in a Python float."""
    contribution: float
    """What it adds to the margin; negative where it takes something away."""
    reason: str
    """The same in words, such as "3 units in the cart, +0.42"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why a visitor's score is what it is: ``base_margin`` and all contributions add up to ``margin``."""

    score: float
    """The score, as ``score`` would return it."""
    model: str
    """The model's name."""
    model_version: str
    """The model's version."""
    margin: float
    """What the model computes before its calibration and its link, such as a log-odds."""
    base_margin: float
    """The margin of no visitor in particular: the mean over the training data."""
    contributions: tuple[Contribution, ...]
    """One for each feature, in the order of the feature set."""
    method: str
    """How contributions were computed: ``tree_shap``, ``linear`` or ``tree_shap+linear``."""
    cold_start: bool
    """Whether the visitor has no recorded history."""

    def top(self, count: int = 5) -> tuple[Contribution, ...]:
        """Return the contributions that weigh most, whatever their sign, the heaviest first; those of 0 are left out."""
        heaviest = sorted(self.contributions, key=lambda each: -abs(each.contribution))
        return tuple(each for each in heaviest[:count] if each.contribution)
