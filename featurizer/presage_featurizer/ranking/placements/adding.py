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
from presage_featurizer.ranking.walking import Fits, first_fitting, where

__all__ = ["Additions", "candidates_of_rules", "may_be_shown"]

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
    """Popular items, and after them the newest ones, where too few candidates may be shown."""


def candidates_of_rules(
    candidates: Rows,
    placement: Placement,
    items: ItemColumns,
    *,
    k: int,
    budget_micros: int | None,
    cart_micros: int,
    fits: Fits | None = None,
) -> Additions:
    """Find the items that the rules may need.

    Args:
        candidates: Rows of the items that retrieval found, in its order.
        placement: The rules.
        items: All items.
        k: How many items the list has.
        budget_micros: What the visitor can spend, in millionths of the currency; None if unknown.
        cart_micros: What is in the cart already.
        fits: Tells which items the caller wants to see; None: all.
    """
    known = candidates[candidates < len(items)]
    shown = known[may_be_shown(known, placement, items)]
    taken = set(candidates.tolist())
    cheaper = new = popular = np.zeros(0, np.int64)

    def is_free(rows: Rows) -> Flags:
        flags = may_be_shown(rows, placement, items)
        if fits is not None:
            flags = flags & fits(rows)
        return where(flags, rows, lambda row: row not in taken)

    if placement.cheaper_alternatives and budget_micros is not None:
        cheaper = _cheaper(shown, placement, items, budget_micros - cart_micros, is_free)
        taken.update(cheaper.tolist())
    if placement.exploration is not None and placement.exploration.max_age_days is not None:
        new = _new(items, placement.exploration.max_age_days, is_free)
        taken.update(new.tolist())
    missing = k - len(shown) - (len(candidates) - len(known)) - len(cheaper) - len(new)
    if placement.fill_up and missing > 0:
        popular = first_fitting(items.summary.popular, missing, is_free)
    return Additions(cheaper, new, popular)


def may_be_shown(rows: Rows, placement: Placement, items: ItemColumns) -> Flags:
    """Return which items are neither blocked nor, unless the placement shows those, out of stock."""
    shown = ~items.blocked[rows]
    return shown & (items.stock[rows] != 0) if placement.hide_out_of_stock else shown


def _cheaper(candidates: Rows, placement: Placement, items: ItemColumns, remaining_micros: int, is_free: Fits) -> Rows:
    prices = items.live_prices[candidates]
    exceeding = affordability(prices, remaining_micros) == UNAFFORDABLE
    first_prices: dict[int, float] = {}
    for category, price in zip(
        items.categories[candidates[exceeding]].tolist(), prices[exceeding].tolist(), strict=True
    ):
        if category:
            first_prices.setdefault(category, price)
    found = [candidates[:0]]
    for category, price in list(first_prices.items())[:_MAX_CATEGORIES]:
        rows = items.summary.by_category[category][:_LOOKED_AT]
        others = items.live_prices[rows]
        # With nothing left, whatever is cheaper than the first candidate of the category is an alternative to it.
        is_cheaper = (
            affordability(others, remaining_micros) == AFFORDABLE
            if remaining_micros > 0
            else (others > 0.0) & (others < price)
        )
        found.append(first_fitting(rows[is_cheaper], placement.cheaper_alternatives, is_free))
    return np.concatenate(found)


def _new(items: ItemColumns, max_age_days: float, is_free: Fits) -> Rows:
    newest = items.summary.newest
    recent = items.first_seen_unix_micros[newest] >= end_of_epoch(items) - max_age_days * _DAY_MICROS
    return first_fitting(newest[recent], _MAX_NEW, is_free)
