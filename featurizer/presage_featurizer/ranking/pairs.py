"""Features of a visitor and an item together: what the ranking model sees of each candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.items import COUNTED_TYPES, UNKNOWN, WINDOW_DAYS

__all__ = ["PAIR_FEATURES", "pair_features"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Columns = list[Floats | Rows | NDArray[np.bool_] | float]

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
_MINUTE_SECONDS = 60
_TREND_SMOOTHING = 3.0
_FAR = 1_000.0
_PRIOR_EVENTS = 20.0
"""Events of its category that an item's rates begin with."""


def pair_features(rows: Rows, context: RankingContext) -> NDArray[np.float32]:
    """Compute the features of candidates.

    Args:
        rows: Column rows of the candidates.
        context: The visitor, the items and the tables.

    Returns:
        Shape (len(rows), len(PAIR_FEATURES)), float32, all finite.
    """
    values = np.empty((len(rows), len(PAIR_FEATURES)), np.float32)
    parts = (
        _own(rows, context),
        _near(rows, context),
        _alike(rows, context),
        _counts(rows, context),
        _visitor(context),
    )
    columns = [column for part in parts for column in part]
    assert len(columns) == len(PAIR_FEATURES), len(columns)
    for place, column in enumerate(columns):
        values[:, place] = column
    return values


def _own(rows: Rows, context: RankingContext) -> Columns:
    """What the visitor did with the items."""
    interests = context.interests
    own = context.places(rows, interests.history)
    purchases = _taken(interests.purchases, own, 0.0)
    in_session = context.places(rows, interests.session)
    return [
        _taken(interests.scores, own, 0.0),
        own,
        _taken(interests.ages_seconds / _DAY_SECONDS, own, -1.0),
        purchases,
        _taken(interests.others, own, 0.0),
        purchases / max(1, interests.orders),
        context.places(rows, interests.last_basket) != UNKNOWN,
        in_session,
        _taken(interests.session_counts, in_session, 0.0),
        _taken(interests.session_ages_seconds / _MINUTE_SECONDS, in_session, -1.0),
    ]


def _near(rows: Rows, context: RankingContext) -> Columns:
    """How near they are to the visitor's items by the tables."""
    scores = context.scores
    found, sums = scores.liked_together
    order = np.lexsort((context.items.digests[found], -sums))
    ranks = context.places(rows, found[order])
    return [
        scores.of("viewed_together", rows),
        scores.of("followed_by", rows),
        scores.of("liked_together", rows),
        np.where(ranks == UNKNOWN, _FAR, ranks),
        scores.of("similar_sessions", rows),
    ]


def _alike(rows: Rows, context: RankingContext) -> Columns:
    """How much they are like the visitor's items."""
    items, interests = context.items, context.interests
    categories, brands, prices = items.categories[rows], items.brands[rows], items.prices[rows]
    session = interests.session
    newest = session[:1] if len(session) else interests.history[:1]
    equally = np.ones(len(session))
    has_brand = brands > 0
    return [
        _share(categories, items.categories[session], equally),
        np.where(has_brand, _share(brands, items.brands[session], equally), -1.0),
        (categories == items.categories[newest]) & (categories > 0) if len(newest) else 0.0,
        np.where(has_brand, brands == items.brands[newest], -1.0) if len(newest) else -1.0,
        _share(categories, items.categories[interests.history], interests.scores),
        prices,
        _ratio(prices, items.prices[newest]),
        _ratio(prices, items.prices[interests.history]),
    ]


def _counts(rows: Rows, context: RankingContext) -> Columns:
    """What all visitors did with them."""
    items, summary = context.items, context.items.summary
    sums = items.sums[:, :, rows].astype(np.float64)
    popular = context.places(rows, summary.popular)
    month = sums[_MONTH, _PURCHASE] + sums[_MONTH, _VIEW]
    columns: Columns = [sums[window, kind] for kind in (_PURCHASE, _VIEW) for window in range(len(WINDOW_DAYS) + 1)]
    columns += [
        sums[_WEEK, _CART],
        np.where(popular == UNKNOWN, _FAR, popular),
        (sums[_WEEK, _PURCHASE] + sums[_WEEK, _VIEW]) / (month + _TREND_SMOOTHING),
    ]
    of_category = summary.category_counts[:, np.minimum(items.categories[rows], summary.category_counts.shape[1] - 1)]
    for part, whole in ((_CART, _VIEW), (_PURCHASE, _VIEW), (_CLICK, _SHOWN)):
        prior = of_category[part] / np.maximum(1, of_category[whole])
        columns.append((sums[_EVER, part] + _PRIOR_EVENTS * prior) / (sums[_EVER, whole] + _PRIOR_EVENTS))
    known_micros = np.maximum(0, context.now_unix_micros - items.first_seen_unix_micros[rows])
    columns += [
        _taken(context.tables.repeat_rates.astype(np.float64), context.tables.table_rows_of[rows], -1.0),
        known_micros / (_DAY_SECONDS * MICROS),
    ]
    return columns


def _visitor(context: RankingContext) -> Columns:
    """What is the same for all candidates, and tells the model how much to trust the rest."""
    interests = context.interests
    ages = interests.ages_seconds
    return [
        float(len(interests.history)),
        float(interests.orders),
        float(len(interests.session)),
        float(ages.min()) / _DAY_SECONDS if len(ages) else -1.0,
    ]


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
