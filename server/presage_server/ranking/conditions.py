"""Which candidates may be in a list: the caller's conditions, what it leaves out, and what holds of items at this moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer import State
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.walking import MAX_LOOKED_AT, Fits, first_fitting, where
from presage_server.ranking.jobs import ItemConditions

__all__ = ["excluded_numbers", "fitting", "meeting", "not_among", "rows_fitting"]

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]

_NONE = ItemConditions()
_MAX_SORTED = 1 << 14
"""Items of several categories that are put into one order; of more, those of all categories are looked at."""
_MAX_TAGS_READ = 1 << 15
"""Items whose tags one search reads: one after the other, which takes longer than comparing columns."""


def excluded_numbers(exclude: Collection[int], context: RankingContext, state: State | None) -> set[int]:
    """Return the numbers of the digests of the items that a caller leaves out."""
    interests = context.interests
    size = len(interests.session)
    session, history = interests.digests[:size].tolist(), interests.digests[size:]
    excluded: set[int] = set()
    if pb.EXCLUSION_SESSION in exclude:
        excluded.update(session)
    elif pb.EXCLUSION_CURRENT in exclude:
        excluded.update(session[:1])
    if pb.EXCLUSION_BOUGHT in exclude:
        excluded.update(history[interests.purchases > 0.0].tolist())
    if pb.EXCLUSION_CART in exclude and state is not None:
        excluded.update(map(digest_number, state.cart))
    return excluded


def not_among(digests: NDArray[np.uint64], excluded: set[int]) -> Flags:
    """Return which items are not among those that are left out."""
    return np.array([number not in excluded for number in digests.tolist()], bool)


def meeting(conditions: ItemConditions, rows: Rows, items: ItemColumns, live: LiveValues) -> Flags:
    """Return which items meet the conditions; one that the columns do not have has no category and no brand.

    Args:
        conditions: The caller's.
        rows: Of the items; from ``len(items)`` on for those that the columns do not have.
        items: All items.
        live: What holds of these items now.
    """
    fits = np.ones(len(rows), bool)
    known = rows < len(items)
    safe = np.where(known, rows, 0) if len(items) else None
    for names, column, code_of in (
        (conditions.categories, items.categories, items.category_code),
        (conditions.brands, items.brands, items.brand_code),
    ):
        if names:
            fits &= known
            if safe is not None:
                fits &= np.isin(column[safe], _codes(names, code_of))
    if conditions.min_price is not None or conditions.max_price is not None:
        fits &= _within(live.prices, conditions)
    if conditions.tags:
        wanted = frozenset(conditions.tags)
        fits &= np.array([not wanted.isdisjoint(tags) for tags in live.tags], bool)
    return fits


def fitting(conditions: ItemConditions | None, excluded: set[int], items: ItemColumns) -> Fits:
    """Return which items, all of them in the columns, meet the conditions and are not excluded."""
    conditions = conditions or _NONE
    tags = frozenset(conditions.tags)
    columns = [
        (column, np.array(_codes(names, code_of), np.int64))
        for names, column, code_of in (
            (conditions.categories, items.categories, items.category_code),
            (conditions.brands, items.brands, items.brand_code),
        )
        if names
    ]
    is_priced = conditions.min_price is not None or conditions.max_price is not None

    def fits(rows: Rows) -> Flags:
        flags = _within(items.live_prices[rows], conditions) if is_priced else np.ones(len(rows), bool)
        for column, codes in columns:
            flags &= np.isin(column[rows], codes)
        if tags:
            of_rows, is_without, places = items.tags, tags.isdisjoint, np.flatnonzero(flags)
            flags[places[[is_without(of_rows[row]) for row in rows[places].tolist()]]] = False
        if excluded:
            flags = where(flags, items.digests[rows], lambda number: number not in excluded)
        return flags

    return fits


def rows_fitting(conditions: ItemConditions, items: ItemColumns, count: int, fits: Fits) -> Rows:
    """Return the most popular items that fit, and after them the newest ones.

    Where the catalogue is large, only the most popular items are looked at, of the category or brand if the conditions name one.

    Args:
        conditions: The caller's.
        items: All items.
        count: How many are wanted at most.
        fits: Which items meet the conditions and may be shown.
    """
    summary, order = items.summary, items.summary.popular
    for names, groups, code_of in (
        (conditions.categories, summary.by_category, items.category_code),
        (conditions.brands, summary.by_brand, items.brand_code),
    ):
        if not names:
            continue
        parts = [groups[code] for code in dict.fromkeys(_codes(names, code_of))]
        size = sum(map(len, parts))
        if len(parts) <= 1:
            within = parts[0] if parts else order[:0]
        elif size <= _MAX_SORTED:
            within = _by_popularity(np.concatenate(parts), items)
        else:
            continue
        order = min(order, within, key=len)
    return first_fitting(order, count, fits, most=_MAX_TAGS_READ if conditions.tags else MAX_LOOKED_AT)


def _by_popularity(rows: Rows, items: ItemColumns) -> Rows:
    places = items.summary.places[rows]
    return rows[np.argsort(places)]


def _codes(names: Sequence[str], code_of: Callable[[str], int]) -> list[int]:
    return [code for code in map(code_of, names) if code]


def _within(prices: NDArray[np.float64], conditions: ItemConditions) -> Flags:
    """Return which prices are known and within the limits."""
    fits: Flags = prices > 0.0
    if conditions.min_price is not None:
        fits &= prices >= conditions.min_price
    if conditions.max_price is not None:
        fits &= prices <= conditions.max_price
    return fits
