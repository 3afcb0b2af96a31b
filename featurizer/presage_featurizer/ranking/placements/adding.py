"""Candidates that a placement's rules need, besides those that retrieval found; they are ranked with the others.

Only where the caller names no candidates: those that it names are all that it wants to see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.placements.placement import Placement
from presage_featurizer.ranking.placements.reordering import AFFORDABLE, UNAFFORDABLE, affordability
from presage_featurizer.ranking.placements.scored import Flags, Rows, end_of_epoch

__all__ = ["Additions", "candidates_of_rules"]

_DAY_MICROS = 86_400 * MICROS
_MAX_CATEGORIES = 8
"""Categories that cheaper items are looked for in: those of the first candidates that exceed the budget."""
_LOOKED_AT = 200
"""The most popular items of a category that are looked at."""
_MAX_NEW = 40
"""New items that are added for slots that explore: the newest."""


@dataclass(frozen=True, slots=True)
class Additions:
    """Rows of items to be ranked with the candidates, each once, and none of which is one of these."""

    cheaper: Rows
    """Affordable items of the same categories as candidates that exceed the budget."""
    exploration: Rows
    """New items that slots may draw."""
    popular: Rows
    """Popular items where too few candidates may be shown."""


def candidates_of_rules(
    candidates: Rows,
    placement: Placement,
    items: ItemColumns,
    *,
    k: int,
    budget_micros: int | None,
    cart_micros: int,
) -> Additions:
    """Find the items that the rules may need.

    Args:
        candidates: Rows of the items that retrieval found, in its order.
        placement: The rules.
        items: All items.
        k: How many items the list has.
        budget_micros: What the visitor can spend, in millionths of the currency; None if unknown.
        cart_micros: What is in the cart already.
    """
    known = candidates[candidates < len(items)]
    shown = known[_may_be_shown(known, placement, items)]
    taken = set(candidates.tolist())
    cheaper = new = popular = np.zeros(0, np.int64)
    if placement.cheaper_alternatives and budget_micros is not None:
        cheaper = _cheaper(shown, placement, items, budget_micros - cart_micros, taken)
    if placement.exploration is not None and placement.exploration.max_age_days is not None:
        new = _new(placement, items, placement.exploration.max_age_days, taken)
    missing = k - len(shown) - (len(candidates) - len(known)) - len(cheaper) - len(new)
    if placement.fill_up and missing > 0:
        popular = _untaken(items.summary.popular, placement, items, taken)[:missing]
    return Additions(cheaper, new, popular)


def _cheaper(
    candidates: Rows, placement: Placement, items: ItemColumns, remaining_micros: int, taken: set[int]
) -> Rows:
    exceeding = candidates[affordability(items.live_prices[candidates], remaining_micros) == UNAFFORDABLE]
    categories = [code for code in dict.fromkeys(items.categories[exceeding].tolist()) if code]
    found = [np.zeros(0, np.int64)]
    for category in categories[:_MAX_CATEGORIES]:
        rows = items.summary.by_category[category][:_LOOKED_AT]
        rows = rows[affordability(items.live_prices[rows], remaining_micros) == AFFORDABLE]
        found.append(_untaken(rows, placement, items, taken)[: placement.cheaper_alternatives])
    cheaper = np.concatenate(found)
    taken.update(cheaper.tolist())
    return cheaper


def _new(placement: Placement, items: ItemColumns, max_age_days: float, taken: set[int]) -> Rows:
    size = len(items)
    seen = items.first_seen_unix_micros[:size]
    recent = np.flatnonzero(seen >= end_of_epoch(items) - max_age_days * _DAY_MICROS)
    recent = recent[np.lexsort((items.digests[recent], -seen[recent]))]
    new = _untaken(recent, placement, items, taken)[:_MAX_NEW]
    taken.update(new.tolist())
    return new


def _untaken(rows: Rows, placement: Placement, items: ItemColumns, taken: set[int]) -> Rows:
    rows = rows[_may_be_shown(rows, placement, items)]
    free: Flags = np.array([row not in taken for row in rows.tolist()], bool)
    return rows[free]


def _may_be_shown(rows: Rows, placement: Placement, items: ItemColumns) -> Flags:
    shown = ~items.blocked[rows]
    return shown & (items.stock[rows] != 0) if placement.hide_out_of_stock else shown
