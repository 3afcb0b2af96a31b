"""From scored candidates to the list that is shown: what a placement declares, one rule after the other.

1. Items that must not be shown are left out.
2. New items move up, and affordable ones are put ahead of those that exceed the budget.
3. Items are chosen one by one, by diversity and within the limits by category and brand.
4. A list that is too short is filled up with items above the limits.
5. Slots that explore may get another item; limits do not count for these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.placements.choosing import choose
from presage_featurizer.ranking.placements.exploring import Slots
from presage_featurizer.ranking.placements.placement import Placement
from presage_featurizer.ranking.placements.reordering import boost_fresh, put_cheaper_ahead
from presage_featurizer.ranking.placements.scored import Arranged, CandidateFacts, Floats, Rows, Scored

__all__ = ["arrange", "place_probabilities"]

_NO_RULES: tuple[str, ...] = ()


class _Listed(NamedTuple):
    """A list without exploration."""

    places: Rows
    others: Rows
    """Places of the candidates that may be shown and are not in it, best first."""
    rules: dict[int, list[str]]
    """The rules that moved a candidate."""


def arrange(
    scored: Scored,
    placement: Placement,
    items: ItemColumns,
    *,
    k: int,
    budget_micros: int | None,
    cart_micros: int,
    seed: int,
) -> Arranged:
    """Make the list to show from scored candidates. The same arguments give the same list.

    Args:
        scored: The candidates.
        placement: The rules.
        items: All items, with what holds now: prices, stock and blocked items.
        k: How many items the list has; fewer if there are no more that may be shown.
        budget_micros: What the visitor can spend, in millionths of the currency; None if unknown.
        cart_micros: What is in the cart already.
        seed: At least 0; draws the items of slots that explore.
    """
    facts = CandidateFacts(scored, items)
    listed = _list(facts, placement, k, _remaining(budget_micros, cart_micros))
    places, propensities = listed.places, np.ones(len(listed.places))
    moved = listed.rules
    rules = [tuple(moved.get(place, _NO_RULES)) for place in places.tolist()] if moved else [_NO_RULES] * len(places)
    if placement.exploration is not None and len(places):
        slots = Slots(facts, places, listed.others, placement.exploration)
        drawn, propensities = slots.draw(np.random.Generator(np.random.PCG64(seed)))
        for slot in np.flatnonzero(drawn != places).tolist():
            rules[slot] = ("exploration",)
        places = drawn
    return Arranged(places, propensities, tuple(rules))


def place_probabilities(
    scored: Scored,
    placement: Placement,
    items: ItemColumns,
    *,
    k: int,
    budget_micros: int | None,
    cart_micros: int,
) -> Floats:
    """Return the probability of each candidate at each place of the list, as ``arrange`` draws it.

    Returns:
        Shape (places of the list, candidates), float64; each place's sum is 1.
    """
    facts = CandidateFacts(scored, items)
    listed = _list(facts, placement, k, _remaining(budget_micros, cart_micros))
    probabilities = np.zeros((len(listed.places), len(scored)))
    probabilities[np.arange(len(listed.places)), listed.places] = 1.0
    if placement.exploration is not None and len(listed.places):
        Slots(facts, listed.places, listed.others, placement.exploration).add_to(probabilities)
    return probabilities


def _list(facts: CandidateFacts, placement: Placement, k: int, remaining_micros: int | None) -> _Listed:
    order = facts.shown(placement)
    rules: dict[int, list[str]] = {}
    if placement.freshness_boost is not None and len(order):
        order, moved = boost_fresh(order, facts, placement.freshness_boost)
        _note(rules, "freshness_boost", moved)
    if placement.cheaper_alternatives and remaining_micros is not None and len(order):
        order, moved = put_cheaper_ahead(
            order,
            facts,
            k=k,
            slots=placement.cheaper_alternatives,
            remaining_micros=remaining_micros,
        )
        _note(rules, "cheaper_alternatives", moved)
    if not (placement.max_per_category or placement.max_per_brand or placement.diversity > 0.0):
        return _Listed(order[:k], order[k:], rules)
    choice = choose(order, facts, placement, k)
    _note(rules, "diversity", choice.diverse)
    for place, names in choice.limited.items():
        rules.setdefault(place, []).extend(names)
    places = choice.places
    if placement.fill_up and len(places) < k:
        more = [place for place in order.tolist() if place in choice.limited][: k - len(places)]
        _note(rules, "fill_up", more)
        places = places + more
    listed = np.array(places, np.int64)
    rest = np.ones(len(facts.scored), bool)
    rest[listed] = False
    return _Listed(listed, order[rest[order]], rules)


def _remaining(budget_micros: int | None, cart_micros: int) -> int | None:
    return None if budget_micros is None else budget_micros - cart_micros


def _note(rules: dict[int, list[str]], name: str, moved: list[int]) -> None:
    for place in moved:
        rules.setdefault(place, []).append(name)
