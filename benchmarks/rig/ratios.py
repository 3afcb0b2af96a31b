"""Two versions measured in turn: the ratio of each round, and whether it is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Comparison", "Scenario", "compare_rounds", "only_in_one"]

_LEAST_DIFFERENCE = 0.03
"""Where code lies in memory makes the same code differ by up to 2 %, the same way in every round."""


@dataclass(frozen=True, order=True, slots=True)
class Scenario:
    """What a figure measures."""

    name: str
    unit: str
    """``µs`` or ``calls/s``; of the latter, more is better."""


Figures = Mapping[Scenario, float]
"""Of one round of one version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One scenario over all rounds."""

    scenario: Scenario
    base: float
    """Median of the rounds."""
    this: float
    """Median of the rounds."""
    ratios: Sequence[float]
    """this / base of each round."""

    @property
    def ratio(self) -> float:
        """Their median."""
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` if the difference is larger than the noise, else empty.

        The noise is the distance of the rounds from each other, so that all agree on the side, and at least that of two checkouts
        of the same code.
        """
        noise = max(max(self.ratios) - min(self.ratios), _LEAST_DIFFERENCE)
        if len(self.ratios) < 2 or abs(self.ratio - 1.0) <= noise:
            return ""
        return "better" if (self.ratio > 1.0) == (self.scenario.unit == "calls/s") else "worse"


def compare_rounds(rounds: Sequence[tuple[Figures, Figures]]) -> list[Comparison]:
    """Compare the scenarios that both versions have in every round.

    Args:
        rounds: The figures of the base and of this version, for each round.
    """
    return [
        Comparison(
            scenario=scenario,
            base=median(base[scenario] for base, _ in rounds),
            this=median(this[scenario] for _, this in rounds),
            ratios=tuple(this[scenario] / base[scenario] for base, this in rounds),
        )
        for scenario in rounds[0][0]
        if all(figures.get(scenario) for pair in rounds for figures in pair)
    ]


def only_in_one(rounds: Sequence[tuple[Figures, Figures]]) -> tuple[list[str], list[str]]:
    """List the scenarios that cannot be compared: those that only the base has, and those that only this version has."""
    base, this = ({scenario.name for pair in rounds for scenario in pair[place]} for place in (0, 1))
    return sorted(base - this), sorted(this - base)
