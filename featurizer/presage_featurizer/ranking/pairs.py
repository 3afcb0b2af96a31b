"""Features of a visitor and an item together: what the ranking model sees of each candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import COUNTED_TYPES, UNKNOWN, WINDOW_DAYS, ItemColumns
from presage_featurizer.ranking.retrieval import SourceScores, Workspace
from presage_featurizer.ranking.tables import RankingTables

__all__ = ["PAIR_FEATURES", "pair_features"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PAIR_FEATURES: dict[str, str] = {
    "own_score": "the visitor's interest in the item: weights of events, decayed with 60 days",
    "own_rank": "its place among the visitor's items by that score; -1 if it is none of them",
    "own_days": "days since the visitor's last event of it; -1 without one",
    "own_purchases": "the visitor's purchases of it",
    "own_events": "the visitor's other events of it",
    "own_order_share": "purchases of it for each of the visitor's orders",
    "in_last_basket": "whether it was among the items bought last",
    "session_rank": "its place among the session's items, the newest first; -1 if it is none of them",
    "session_count": "how often it is among the session's last items",
    "session_minutes": "minutes since its last event in the session; -1 without one",
    "viewed_together": "how near it is to the session's items, or those bought last, by sessions that have both",
    "followed_by": "how near it is to them by what visitors did next",
    "liked_together": "how near it is to the visitor's items by visitors that have both",
    "liked_together_rank": "its place by that; 1,000 where it is 0",
    "similar_sessions": "how often it is in the sessions that share most with this one",
    "category_share": "the share of the session's items with its category",
    "brand_share": "the share of the session's items with its brand; -1 without one",
    "same_category": "whether its category is that of the session's newest item",
    "same_brand": "whether its brand is that of the session's newest item; -1 without one",
    "history_category_share": "the share of the visitor's interest in its category",
    "price": "its price; 0 if unknown",
    "price_to_newest": "its price divided by that of the session's newest item; -1 if unknown",
    "price_to_own": "its price divided by the mean price of the visitor's items; -1 if unknown",
    **{f"purchases_{days}_days": f"purchases of it in {days} days" for days in WINDOW_DAYS},
    "purchases": "purchases of it",
    **{f"views_{days}_days": f"views of it in {days} days" for days in WINDOW_DAYS},
    "views": "views of it",
    "carts_7_days": "additions of it to carts in 7 days",
    "popularity_rank": "its place among the most popular items of 7 days; 1,000 if it is none of them",
    "trend": "its purchases and views in 7 days for each in 30 days, smoothed",
    "cart_rate": "additions to carts for each view, smoothed by the rate of its category",
    "purchase_rate": "purchases for each view, smoothed by the rate of its category",
    "click_rate": "clicks for each list that showed it, smoothed by the rate of its category",
    "repeat_rate": "the share of its orders that were not the visitor's first with it",
    "known_days": "days since it was first seen",
    "own_items": "how many items the visitor's history has",
    "orders": "the visitor's orders",
    "session_items": "how many items the session has",
    "days_since_event": "days since the visitor's last event with an item; -1 without one",
}
"""The names of the features, in their order, with their meanings."""

_VIEW, _CART, _PURCHASE, _SHOWN, _CLICK = range(len(COUNTED_TYPES))
_WEEK, _MONTH, _EVER = 1, 2, 3
_DAY_SECONDS = 86_400
_FAR = 1_000.0
_PRIOR_EVENTS = 20.0
"""Events of its category that an item's rates begin with."""


def pair_features(
    rows: Rows,
    interests: Interests,
    scores: SourceScores,
    items: ItemColumns,
    tables: RankingTables,
    now_unix_micros: int,
    workspace: Workspace,
) -> NDArray[np.float32]:
    """Compute the features of candidates.

    Args:
        rows: Column rows of the candidates.
        interests: The visitor's items.
        scores: The tables' scores for them.
        items: All items.
        tables: Bound to the columns.
        now_unix_micros: The moment.
        workspace: Of the calling thread.

    Returns:
        Shape (len(rows), len(PAIR_FEATURES)), float32, all finite.
    """
    size = len(items)
    values = np.empty((len(PAIR_FEATURES), len(rows)))
    columns = iter(values)

    def put(column: Floats | float) -> None:
        next(columns)[:] = column

    own = workspace.places(rows, interests.history, size)
    purchases = _taken(interests.purchases, own, 0.0)
    put(_taken(interests.scores, own, 0.0))
    put(own)
    put(_taken(interests.ages_seconds / _DAY_SECONDS, own, -1.0))
    put(purchases)
    put(_taken(interests.others, own, 0.0))
    put(purchases / max(1, interests.orders))
    put(workspace.places(rows, interests.last_basket, size) != UNKNOWN)
    in_session = workspace.places(rows, interests.session, size)
    put(in_session)
    put(_taken(interests.session_counts, in_session, 0.0))
    put(_taken(interests.session_ages_seconds / 60.0, in_session, -1.0))

    put(scores.of("viewed_together", rows))
    put(scores.of("followed_by", rows))
    liked = scores.of("liked_together", rows)
    put(liked)
    put(_ranks(scores.liked_together[0], scores.liked_together[1], rows, items, workspace))
    put(scores.of("similar_sessions", rows))

    categories, brands, prices = items.categories[rows], items.brands[rows], items.prices[rows]
    session = interests.session
    put(_share(categories, items.categories[session], np.ones(len(session))))
    put(np.where(brands > 0, _share(brands, items.brands[session], np.ones(len(session))), -1.0))
    newest = session[:1] if len(session) else interests.history[:1]
    put((categories == items.categories[newest]) & (categories > 0) if len(newest) else 0.0)
    put(np.where(brands > 0, brands == items.brands[newest], -1.0) if len(newest) else -1.0)
    put(_share(categories, items.categories[interests.history], interests.scores))
    put(prices)
    put(_ratio(prices, items.prices[newest]))
    put(_ratio(prices, items.prices[interests.history]))

    sums = items.sums[:, :, rows].astype(np.float64)
    for kind in (_PURCHASE, _VIEW):
        for window in range(len(WINDOW_DAYS) + 1):
            put(sums[window, kind])
    put(sums[_WEEK, _CART])
    popular = workspace.places(rows, items.summary.popular, size)
    put(np.where(popular == UNKNOWN, _FAR, popular))
    put((sums[_WEEK, _PURCHASE] + sums[_WEEK, _VIEW]) / (sums[_MONTH, _PURCHASE] + sums[_MONTH, _VIEW] + 3.0))
    counts = items.summary.category_counts
    for part, whole in ((_CART, _VIEW), (_PURCHASE, _VIEW), (_CLICK, _SHOWN)):
        known = np.minimum(categories, counts.shape[1] - 1)
        prior = counts[part, known] / np.maximum(1, counts[whole, known])
        put((sums[_EVER, part] + _PRIOR_EVENTS * prior) / (sums[_EVER, whole] + _PRIOR_EVENTS))
    table_rows = tables.table_rows_of[rows]
    put(np.where(table_rows == UNKNOWN, -1.0, np.append(tables.repeat_rates, 0.0)[table_rows]))
    put(np.maximum(0, now_unix_micros - items.first_seen_unix_micros[rows]) / (_DAY_SECONDS * 1e6))
    put(float(len(interests.history)))
    put(float(interests.orders))
    put(float(len(session)))
    put(float(interests.ages_seconds.min()) / _DAY_SECONDS if len(interests.ages_seconds) else -1.0)
    assert next(columns, None) is None, "expected a value for each of PAIR_FEATURES"
    return np.ascontiguousarray(values.T, np.float32)


def _taken(column: Floats, places: Rows, otherwise: float) -> Floats:
    """Take values by place; places are -1 where there is none."""
    return np.append(column, otherwise)[places]


def _share(codes: NDArray[np.int64], among: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the share of the weight of others that have the same code; 0 for the unknown code and without others."""
    total = weights.sum()
    if total <= 0.0:
        return np.zeros(len(codes))
    sums = np.bincount(among, weights, int(max(codes.max(initial=0), among.max(initial=0))) + 1)
    sums[0] = 0.0
    return np.asarray(sums[codes] / total, np.float64)


def _ratio(prices: Floats, others: Floats) -> Floats:
    known = others[others > 0.0]
    if not len(known):
        return np.full(len(prices), -1.0)
    return np.where(prices > 0.0, prices / known.mean(), -1.0)


def _ranks(found: Rows, sums: Floats, rows: Rows, items: ItemColumns, workspace: Workspace) -> Floats:
    order = np.lexsort((items.digests[found], -sums))
    places = workspace.places(rows, found[order], len(items))
    return np.where(places == UNKNOWN, _FAR, places).astype(np.float64)
