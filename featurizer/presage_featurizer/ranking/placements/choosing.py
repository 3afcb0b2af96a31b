"""Rules that choose item by item: limits by category and brand, and diversity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from presage_featurizer.ranking.placements.placement import Placement
from presage_featurizer.ranking.placements.scored import CandidateFacts, Floats, Rows

__all__ = ["Choice", "choose"]

_WEIGHTS = (0.5, 0.3, 0.2)
"""How alike two items of one category, of one brand and of one price band are; 1 in all."""
_BLOCK_NUMBERS = 3_200
"""How many likenesses are computed at once: what is chosen stands close together, and calls cost more than sums."""

_BANDS_PER_OCTAVE = 2
_LARGEST_EXPONENT = 40


@dataclass(slots=True)
class Choice:
    """The chosen candidates."""

    places: list[int] = field(default_factory=list)
    """Places of candidates, in the order of the list."""
    limited: dict[int, list[str]] = field(default_factory=dict)
    """Candidates that a limit passed over, with the names of the limits, in the order in which they were."""
    diverse: list[int] = field(default_factory=list)
    """Candidates that were chosen ahead of better ones."""


def choose(order: Rows, facts: CandidateFacts, placement: Placement, k: int) -> Choice:
    """Choose up to k candidates; fewer if the limits leave no more.

    Args:
        order: Places of candidates, best first.
        facts: Of the candidates; unknown categories and brands are not limited, and like no other.
        placement: Limits and diversity.
        k: How many.
    """
    limits = _Limits(order, facts, placement)
    if placement.diversity > 0.0:
        return _choose_diverse(order, _Likeness(order, facts, placement.diversity), placement.diversity, limits, k)
    choice = Choice()
    if not limits.any:
        choice.places = order[:k].tolist()
        return choice
    for place, candidate in enumerate(order.tolist()):
        if len(choice.places) == k:
            break
        reached = limits.reached(place)
        if reached:
            choice.limited[candidate] = reached
        else:
            limits.count(place)
            choice.places.append(candidate)
    return choice


class _Limits:
    """Counts what was chosen by category and brand."""

    def __init__(self, order: Rows, facts: CandidateFacts, placement: Placement) -> None:
        # Plain dictionaries: this is asked of each candidate.
        self._rules: list[tuple[str, int, list[int], dict[int, int]]] = []
        if placement.max_per_category:
            codes = facts.categories[order].tolist()
            self._rules.append(("max_per_category", placement.max_per_category, codes, {}))
        if placement.max_per_brand:
            codes = facts.brands[order].tolist()
            self._rules.append(("max_per_brand", placement.max_per_brand, codes, {}))

    @property
    def any(self) -> bool:
        return bool(self._rules)

    def reached(self, place: int) -> list[str]:
        """Return the names of the limits that leave no room for a candidate."""
        names = []
        for name, limit, codes, chosen in self._rules:
            if chosen.get(codes[place], 0) >= limit and codes[place]:
                names.append(name)
        return names

    def count(self, place: int) -> None:
        for _, _, codes, chosen in self._rules:
            chosen[codes[place]] = chosen.get(codes[place], 0) + 1


def _choose_diverse(order: Rows, alike: _Likeness, diversity: float, limits: _Limits, k: int) -> Choice:
    """Choose by maximal marginal relevance; what counts for relevance is the place, since scores have no scale.

    Source: Carbonell and Goldstein, "The use of MMR", 1998.
    """
    size = len(order)
    gains = (1.0 - diversity) * (1.0 - np.arange(size) / size)
    losses, values = np.zeros(size), np.empty(size)
    choice = Choice()
    candidates = order.tolist()
    left = [True] * size
    first = 0  # of those that are left
    while len(choice.places) < min(k, size):
        np.subtract(gains, losses, out=values)
        place = int(values.argmax())
        if not left[place]:
            break
        left[place] = False
        gains[place] = -np.inf
        reached = limits.reached(place)
        if reached:
            choice.limited[candidates[place]] = reached
            continue
        while not left[first] and first < place:
            first += 1
        if first < place:
            choice.diverse.append(candidates[place])
        limits.count(place)
        choice.places.append(candidates[place])
        np.maximum(losses, alike.to(place), out=losses)
    return choice


class _Likeness:
    """How alike items are by category, brand and price band, times a factor."""

    def __init__(self, order: Rows, facts: CandidateFacts, factor: float) -> None:
        # Unknown values get a negative number each, so that no two are equal.
        none = -1 - np.arange(len(order))
        codes = (facts.categories[order], facts.brands[order], _bands(facts.prices[order]))
        self._codes = [
            (np.where(code > 0, code, none), weight * factor) for code, weight in zip(codes, _WEIGHTS, strict=True)
        ]
        self._block = max(1, _BLOCK_NUMBERS // max(1, len(order)))
        self._blocks: dict[int, Floats] = {}

    def to(self, place: int) -> Floats:
        """Return how alike each item is to one of them, 0 to 1 times the factor."""
        block, row = divmod(place, self._block)
        found = self._blocks.get(block)
        if found is None:
            found = self._blocks[block] = self._alike(slice(block * self._block, (block + 1) * self._block))
        return np.asarray(found[row], np.float64)

    def _alike(self, block: slice) -> Floats:
        likeness = np.zeros((1, 1))
        for codes, weight in self._codes:
            likeness = likeness + (codes[block, None] == codes) * weight
        return likeness


def _bands(prices: Floats) -> Rows:
    """Return numbers of price bands, two for each doubling; 0 for unknown prices."""
    # By mantissa and exponent: a logarithm may differ between machines.
    mantissas, exponents = np.frexp(prices)
    bands = (exponents.astype(np.int64) + _LARGEST_EXPONENT) * _BANDS_PER_OCTAVE + (mantissas >= np.sqrt(0.5))
    return np.where(prices > 0.0, np.maximum(bands, 1), 0)
