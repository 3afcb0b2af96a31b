"""Rules that change the order of all candidates: new items, and affordable ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.placements.placement import FreshnessBoost
from presage_featurizer.ranking.placements.scored import CandidateFacts, Floats, Rows, end_of_epoch

__all__ = ["AFFORDABLE", "UNAFFORDABLE", "affordability", "boost_fresh", "put_cheaper_ahead"]

_DAY_MICROS = 86_400 * MICROS
_MAX_HALVINGS = 64

AFFORDABLE, UNAFFORDABLE = 1, -1


def boost_fresh(order: Rows, facts: CandidateFacts, boost: FreshnessBoost) -> tuple[Rows, list[int]]:
    """Move new items up.

    Args:
        order: Places of candidates, best first.
        facts: Of the candidates; one whose first time is unknown stays.
        boost: How far.

    Returns:
        The new order, and the places of the candidates that moved up.
    """
    seen = facts.first_seen_unix_micros[order]
    places = np.arange(len(order))
    up = np.where(seen > 0, boost.places * _remaining(end_of_epoch(facts.items) - seen, boost.half_life_days), 0.0)
    new = np.argsort(places - up, kind="stable")
    return order[new], order[new[new > places]].tolist()


def put_cheaper_ahead(
    order: Rows, facts: CandidateFacts, *, k: int, slots: int, remaining_micros: int
) -> tuple[Rows, list[int]]:
    """Put affordable items ahead of those of their category that are not.

    Args:
        order: Places of candidates, best first.
        facts: Of the candidates; one whose price or category is unknown stays.
        k: Only the first k are looked at.
        slots: How many affordable items are moved at most.
        remaining_micros: What is left of the budget. If nothing is, what is cheaper than the item that it goes ahead of is
            affordable.

    Returns:
        The new order, and the places of the candidates that moved up.
    """
    if remaining_micros <= 0:
        return _put_any_cheaper_ahead(order, facts, k=k, slots=slots)
    kinds = affordability(facts.prices[order], remaining_micros).tolist()
    categories = facts.categories[order].tolist()
    affordable = defaultdict(list)
    for place in range(len(kinds) - 1, -1, -1):
        if kinds[place] == AFFORDABLE and categories[place]:
            affordable[categories[place]].append(place)
    moved: list[int] = []
    new: list[int] = []
    taken: set[int] = set()
    for place, kind in enumerate(kinds):
        if place in taken:
            continue
        if kind == UNAFFORDABLE and len(new) < k and len(moved) < slots:
            others = affordable[categories[place]]
            while others and others[-1] < place:
                others.pop()
            if others:
                other = others.pop()
                taken.add(other)
                moved.append(other)
                new.append(other)
        new.append(place)
    return order[np.array(new, np.int64)], order[np.array(moved, np.int64)].tolist()


def _put_any_cheaper_ahead(order: Rows, facts: CandidateFacts, *, k: int, slots: int) -> tuple[Rows, list[int]]:
    """Put the first item that is cheaper ahead of each item that has one after it in its category."""
    prices, categories = facts.prices[order], facts.categories[order]
    free = (prices > 0.0) & (categories > 0)
    moved: list[int] = []
    new: list[int] = []
    for place, may_follow in enumerate(free.tolist()):
        if len(new) >= k or len(moved) >= slots:
            break
        if may_follow and not free[place]:  # moved up already
            continue
        if may_follow:
            later = slice(place + 1, None)
            cheaper = free[later] & (categories[later] == categories[place]) & (prices[later] < prices[place])
            other = place + 1 + int(cheaper.argmax()) if cheaper.any() else None
            if other is not None:
                free[other] = False
                moved.append(other)
                new.append(other)
        new.append(place)
    rest = np.ones(len(order), bool)
    rest[new] = False
    return np.concatenate([order[np.array(new, np.int64)], order[rest]]), order[np.array(moved, np.int64)].tolist()


def affordability(prices: Floats, remaining_micros: int) -> Rows:
    """Return AFFORDABLE or UNAFFORDABLE for each price; 0 where it is unknown."""
    # Rounded: 19.99 has no exact binary fraction.
    return np.where(prices <= 0.0, 0, np.where(np.rint(prices * MICROS) <= remaining_micros, AFFORDABLE, UNAFFORDABLE))


def _remaining(ages_micros: Rows, half_life_days: float) -> Floats:
    """Return what is left of 1: half after each half-life, linear in between, as ``decay_factor`` is and for its reason."""
    halvings, rest = np.divmod(np.maximum(ages_micros, 0) / (half_life_days * _DAY_MICROS), 1.0)
    return np.ldexp(1.0 - rest / 2.0, -np.minimum(halvings, _MAX_HALVINGS).astype(np.int32))
