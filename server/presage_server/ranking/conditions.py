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
from presage_server.ranking.jobs import ItemConditions

__all__ = ["excluded_numbers", "meeting", "not_among", "rows_meeting"]

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]


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


def rows_meeting(conditions: ItemConditions, items: ItemColumns) -> Rows:
    """Return the rows of all items that meet the conditions, but for tags, which are not looked for here."""
    size = len(items)
    fits = np.ones(size, bool)
    if conditions.categories:
        fits &= np.isin(items.categories[:size], _codes(conditions.categories, items.category_code))
    if conditions.brands:
        fits &= np.isin(items.brands[:size], _codes(conditions.brands, items.brand_code))
    if conditions.min_price is not None or conditions.max_price is not None:
        fits &= _within(items.live_prices[:size], conditions)
    return np.flatnonzero(fits)


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
