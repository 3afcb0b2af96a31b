"""Two versions measured in turn: the ratio of each round, and whether it says anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Comparison", "Scenario", "compared", "only_in_one"]

_LEAST_DIFFERENCE = 0.03
"""Where code lies in memory makes the same code differ by up to 2 %, the same way in every round."""


@dataclass(frozen=True, order=True, slots=True)
class Scenario:
    """What one figure is of."""

    name: str
    unit: str
    """``µs`` or ``calls/s``; of the latter, more is better."""


Figures = Mapping[Scenario, float]
"""What one round of one version showed."""


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
        """``better`` or ``worse`` if the difference is outside of the noise, else empty.

        It is when the median is further from 1 than the rounds are from each other, so that all agree on the side, and than two
        checkouts of the same code may be.
        """
        noise = max(max(self.ratios) - min(self.ratios), _LEAST_DIFFERENCE)
        if len(self.ratios) < 2 or abs(self.ratio - 1.0) <= noise:
            return ""
        return "better" if (self.ratio > 1.0) == (self.scenario.unit == "calls/s") else "worse"


def compared(rounds: Sequence[tuple[Figures, Figures]]) -> list[Comparison]:
    """Compare the scenarios that both versions have in every round.

    Args:
        rounds: What the base and this version showed, of each round.
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
    """Name the scenarios that cannot be compared: those of the base alone, and those of this version alone."""
    base, this = ({scenario.name for pair in rounds for scenario in pair[place]} for place in (0, 1))
    return sorted(base - this), sorted(this - base)
