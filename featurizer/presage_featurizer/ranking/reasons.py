"""Why an item is in the list, for people: codes from the features that the model saw."""

from __future__ import annotations

from functools import cache
from math import inf, nextafter

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.pairs import PAIR_FEATURES

__all__ = ["MAX_REASONS", "REASONS", "reasons"]

MAX_REASONS = 3
"""Reasons of one item at most."""

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


_ABOVE_ZERO = nextafter(0.0, inf)
_LIMITS = {
    # The lowest values of these depend on the list.
    **dict.fromkeys(("viewed_together", "similar_sessions", "followed_by", "liked_together"), (inf, inf)),
    "session_rank": (0.0, inf),
    "own_purchases": (_ABOVE_ZERO, inf),
    "same_brand": (_ABOVE_ZERO, inf),
    "same_category": (_ABOVE_ZERO, inf),
    "price_saving": (_CHEAPER, inf),
    "price_to_newest": (1.0 / _SIMILAR_PRICE, _SIMILAR_PRICE),
    "trend": (_TRENDING, inf),
    "views_7_days": (_MIN_TRENDING_EVENTS, inf),  # with the purchases
    "popularity_rank": (0.0, nextafter(_POPULAR_PLACES, 0.0)),
    "known_days": (-inf, _NEW_DAYS),
}
"""The lowest and the highest value of features that reasons look at."""
_TABLES = 4

_HOLDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "viewed_in_session": (("session_rank",),),
    "bought_before": (("own_purchases",),),
    "seen_with_your_items": (("viewed_together",), ("similar_sessions",)),
    "often_next": (("followed_by",),),
    "liked_by_similar_visitors": (("liked_together",),),
    "same_brand": (("same_brand",),),
    "same_category": (("same_category",),),
    "cheaper": (("price_saving",),),
    "similar_price": (("price_to_newest",),),
    "trending": (("trend", "views_7_days"),),
    "popular": (("popularity_rank",),),
    "new": (("known_days",),),
}
"""When the codes of REASONS hold, in their order: the features of one of the groups are all within their limits."""

_NAMES = list(PAIR_FEATURES)
_COLUMNS = np.array([_NAMES.index(name) for name in _LIMITS])
_PURCHASES = _NAMES.index("purchases_7_days")
_VIEWS = list(_LIMITS).index("views_7_days")
_LOWEST, _HIGHEST = np.array(list(_LIMITS.values())).T.copy()
assert 8 < len(_LIMITS) <= 16, "two bytes of bits"
assert list(_HOLDS) == list(REASONS)


def reasons(values: NDArray[np.float32], places: NDArray[np.int64] | None = None) -> list[tuple[str, ...]]:
    """Say why items are shown.

    Args:
        values: Features of items, as ``pair_features`` returns them.
        places: The rows of those that are shown, in their order; None: all of them.

    Returns:
        For each item that is shown its codes of REASONS that hold, the strongest first, at most MAX_REASONS.
    """
    places = np.arange(len(values)) if places is None else places
    compiled = kernels()
    if compiled is None or not values.flags.c_contiguous:
        bits = _find(values.take(places, axis=0))
    else:
        bits = np.empty(len(places), np.uint16)
        compiled.find_reasons(
            values, places, _COLUMNS, _VIEWS, _PURCHASES, _LOWEST, _HIGHEST, _TABLES, _STRONG_SHARE, bits
        )
    return [_codes(within) for within in bits.tolist()]


def _find(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return by which features each item is within their limits, as bits in the order of _LIMITS."""
    seen = values.take(_COLUMNS, axis=1).astype(np.float64)
    seen[:, _VIEWS] += values[:, _PURCHASES]
    lowest = _LOWEST.copy()
    nearest = seen[:, :_TABLES].max(axis=0, initial=0.0)
    found = nearest.nonzero()[0]
    lowest[found] = _STRONG_SHARE * nearest[found]
    within = np.packbits((seen >= lowest) & (seen <= _HIGHEST), axis=1, bitorder="little")
    return within.view("<u2")[:, 0]


@cache
def _codes(bits: int) -> tuple[str, ...]:
    """Return the strongest codes by which features are within their limits, as bits in the order of _LIMITS."""
    within = {name for place, name in enumerate(_LIMITS) if bits >> place & 1}
    codes = [code for code, groups in _HOLDS.items() if any(within.issuperset(group) for group in groups)]
    return tuple(codes[:MAX_REASONS])
