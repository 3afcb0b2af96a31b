"""What a placement declares: the rules that make a list of ranked items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from presage_featurizer.errors import PlacementError

__all__ = ["MAX_SLOT", "Exploration", "ExplorationMethod", "FreshnessBoost", "Placement"]

ExplorationMethod = Literal["epsilon-greedy", "thompson"]

MAX_SLOT = 1_000
"""The last place of a list, which is the highest number of items that a response has."""

_MAX_SLOTS = 10
_MAX_DAYS = 36_500.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshnessBoost:
    """Moves new items up: by a number of places, since the scores of a ranking model have no scale."""

    places: float
    """How many places an item that was first seen now moves up, more than 0."""
    half_life_days: float
    """After how many days half of it is left, more than 0."""

    def __post_init__(self) -> None:
        _check_number("places", self.places, 0.0, float(MAX_SLOT), exclusive=True)
        _check_number("half_life_days", self.half_life_days, 0.0, _MAX_DAYS, exclusive=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """Gives some places to items that the ranking would not show there, so that something is learned of them."""

    slots: tuple[int, ...]
    """The places, from 1; at most 10."""
    method: ExplorationMethod = "epsilon-greedy"
    """``epsilon-greedy`` draws any item with a fixed probability, ``thompson`` each by how likely its click rate is the best."""
    epsilon: float = 0.1
    """The probability with which ``epsilon-greedy`` draws, more than 0 and at most 1."""
    prior_shows: float = 50.0
    """How many shows the click rate of an item's category counts for, more than 0; ``thompson`` only."""
    max_age_days: float | None = None
    """Only items that were first seen in this many days are drawn; None: all."""

    def __post_init__(self) -> None:
        if not self.slots or len(set(self.slots)) != len(self.slots):
            raise PlacementError(f"slots: expected places, each once, such as [3, 8], got {list(self.slots)}")
        if len(self.slots) > _MAX_SLOTS:
            raise PlacementError(f"slots: expected at most {_MAX_SLOTS}, got {len(self.slots)}")
        for slot in self.slots:
            _check_number("slots", slot, 1, MAX_SLOT)
        if self.method not in get_args(ExplorationMethod):
            raise PlacementError(f"method: expected one of {list(get_args(ExplorationMethod))}, got {self.method!r}")
        _check_number("epsilon", self.epsilon, 0.0, 1.0, exclusive=True)
        _check_number("prior_shows", self.prior_shows, 0.0, 1e6, exclusive=True)
        if self.max_age_days is not None:
            _check_number("max_age_days", self.max_age_days, 0.0, _MAX_DAYS, exclusive=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """The rules of one placement. Blocked items are never shown, whatever it says."""

    hide_out_of_stock: bool = True
    """Whether items without stock are left out; those whose stock is unknown are not."""
    max_per_category: int = 0
    """How many items of one category a list has; 0: any number. Items of unknown category are not limited."""
    max_per_brand: int = 0
    """As above, by brand."""
    diversity: float = 0.0
    """How much it counts that an item is unlike those before it, 0 (not at all) to 1 (nothing else does)."""
    freshness_boost: FreshnessBoost | None = None
    """Moves new items up; None: it does not."""
    cheaper_alternatives: int = 0
    """How many items that would exceed the visitor's budget get an affordable one of their category ahead of them."""
    fill_up: bool = True
    """Whether items above a limit come at the end of a list that would otherwise be too short."""
    exploration: Exploration | None = None
    """Draws items for some places; None: every place has what the rules say."""

    @property
    def chooses(self) -> bool:
        """Whether it needs more candidates than the list has items, to choose from."""
        limits = self.max_per_category or self.max_per_brand or self.cheaper_alternatives
        return bool(limits or self.diversity or self.freshness_boost or self.exploration)

    def __post_init__(self) -> None:
        _check_number("max_per_category", self.max_per_category, 0, MAX_SLOT)
        _check_number("max_per_brand", self.max_per_brand, 0, MAX_SLOT)
        _check_number("diversity", self.diversity, 0.0, 1.0)
        _check_number("cheaper_alternatives", self.cheaper_alternatives, 0, MAX_SLOT)


def _check_number(name: str, value: float, low: float, high: float, *, exclusive: bool = False) -> None:
    inside = low < value <= high if exclusive else low <= value <= high
    if not inside or not math.isfinite(value):
        least = f"more than {low:g}" if exclusive else f"at least {low:g}"
        raise PlacementError(f"{name}: expected {least} and at most {high:g}, got {value}")
