"""Why an item is in the list, for people: codes from the features that the model saw."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.pairs import PAIR_FEATURES

__all__ = ["MAX_REASONS", "REASONS", "reasons"]

MAX_REASONS = 3
"""Reasons of one item at most."""

_NAMES = list(PAIR_FEATURES)
_PLACES = [
    _NAMES.index(name)
    for name in (
        "viewed_together", "similar_sessions", "followed_by", "liked_together", "session_rank", "own_purchases", "same_brand",
        "same_category", "price_saving", "price_to_newest", "trend", "views_7_days", "purchases_7_days", "popularity_rank",
        "known_days",
    )
]  # fmt: skip
_TABLES = 4
_STRONG_SHARE = 0.5
_SIMILAR_PRICE = 1.25
_CHEAPER = 0.1
_POPULAR_PLACES = 50
_TRENDING = 0.6
_MIN_TRENDING_EVENTS = 5.0
_NEW_DAYS = 14.0

REASONS: dict[str, str] = {
    "viewed_in_session": "the visitor looked at it in this session",
    "bought_before": "the visitor bought it before",
    "seen_with_your_items": "sessions with the visitor's items have it, and it is at least half as near as the nearest one shown",
    "often_next": "visitors went to it next, likewise",
    "liked_by_similar_visitors": "visitors with the same items have it, likewise",
    "same_brand": "it has the brand of what the visitor looks at",
    "same_category": "it has the category of what the visitor looks at",
    "cheaper": "it costs at least a tenth less than what the visitor looks at",
    "similar_price": "it costs about as much, at most a quarter more or less",
    "trending": "most of its views and purchases of the last 30 days are of the last 7",
    "popular": "it is among the 50 most popular items of 7 days",
    "new": "it was first seen at most 14 days ago",
}
"""The codes, the strongest first, with when each holds."""


def reasons(values: NDArray[np.float32]) -> list[tuple[str, ...]]:
    """Say why items are shown.

    Args:
        values: Features of the items that are shown, as ``pair_features`` returns them.

    Returns:
        For each item its codes of REASONS that hold, the strongest first, at most MAX_REASONS.
    """
    seen = values.take(_PLACES, axis=1)
    nearest = [_STRONG_SHARE * highest for highest in seen[:, :_TABLES].max(axis=0, initial=0.0).tolist()]
    return [_codes(_holding(row, nearest)) for row in seen.tolist()]


def _holding(row: list[float], nearest: list[float]) -> int:
    """Return which codes hold, as bits in the order of REASONS; for 20 items, numbers are faster than arrays."""
    (
        together, similar, followed, liked, session_rank, purchases, brand, category, saving, ratio, trend, views, bought,
        popularity, days,
    ) = row  # fmt: skip
    return (
        (session_rank >= 0.0)
        | (purchases > 0.0) << 1
        | (0.0 < together >= nearest[0] or 0.0 < similar >= nearest[1]) << 2
        | (0.0 < followed >= nearest[2]) << 3
        | (0.0 < liked >= nearest[3]) << 4
        | (brand > 0.0) << 5
        | (category > 0.0) << 6
        | (saving >= _CHEAPER) << 7
        | (1.0 / _SIMILAR_PRICE <= ratio <= _SIMILAR_PRICE) << 8
        | (trend >= _TRENDING and views + bought >= _MIN_TRENDING_EVENTS) << 9
        | (popularity < _POPULAR_PLACES) << 10
        | (days <= _NEW_DAYS) << 11
    )


@cache
def _codes(holds: int) -> tuple[str, ...]:
    """Return the strongest codes by which hold, as bits in the order of REASONS."""
    return tuple([code for place, code in enumerate(REASONS) if holds >> place & 1][:MAX_REASONS])
