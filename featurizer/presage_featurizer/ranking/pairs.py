"""Features of a visitor and an item together: what the ranking model sees of each candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.compiled_pairs import fill_compiled
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import ITEM_FEATURES
from presage_featurizer.ranking.pair_blocks import fill_blocks

__all__ = ["PAIR_FEATURES", "pair_features"]

Values = NDArray[np.float32]
Rows = NDArray[np.int64]

_OWN = {
    "own_score": "the visitor's interest in the item: weights of events, decayed with 60 days",
    "own_rank": "its place among the visitor's items by that score; -1 if it is none of them",
    "own_days": "days since the visitor's last event of it; -1 without one",
    "own_purchases": "the visitor's purchases of it",
    "own_events": "the visitor's other events of it",
    "own_order_share": "purchases of it for each of the visitor's orders",
    "in_last_basket": "whether it was among the items bought last",
}
_SESSION = {
    "session_rank": "its place among the session's items, the newest first; -1 if it is none of them",
    "session_count": "how often it is among the session's last items",
    "session_minutes": "minutes since its last event in the session; -1 without one",
}
_TABLES = {
    "viewed_together": "how near it is to the session's items, or those bought last, by sessions that have both",
    "followed_by": "how near it is to them by what visitors did next",
    "liked_together": "how near it is to the visitor's items by visitors that have both",
    "similar_sessions": "how often it is in the sessions that share most with this one",
    "liked_together_rank": "its place by that; 1,000 where it is 0",
}
_SHARES = {
    "category_share": "the share of the session's items with its category",
    "brand_share": "the share of the session's items with its brand; -1 without one",
    "category_affinity": "the share of the visitor's implicit ratings, 0 to 5 for each item, that items of its category have",
    "brand_affinity": "the share of these ratings that items of its brand have; -1 without one",
    "price_affinity": "the share of these ratings that items of its price band have",
}
_SAME = {
    "same_category": "whether its category is that of the session's newest item, or else of the visitor's strongest interest",
    "same_brand": "whether its brand is that item's",
}
_PRICES = {
    "price_to_newest": "its price divided by that item's, at most 1,000; -1 if unknown",
    "price_to_own": "its price divided by the mean price of the visitor's items, at most 1,000; -1 if unknown",
    "budget_pressure": "its price divided by what the cart leaves of the budget, at most 1,000; -1 if unknown",
    "price_saving": "how much cheaper it is than the page's item, or else the newest one, as a share; 0 if unknown",
}
_RATES = {
    "cart_rate": "additions to carts for each view, smoothed by the rate of its category",
    "purchase_rate": "purchases for each view, smoothed by the rate of its category",
    "click_rate": "clicks for each list that showed it, smoothed by the rate of its category",
}
_CANDIDATE = {
    "repeat_rate": "the share of its orders that were not the visitor's first with it; -1 if unknown",
    "known_days": "days since it was first seen: how fresh it is",
    "position": "its place in the caller's list, from 1; 0 if Presage found it",
}
_VISITOR = {
    "own_items": "how many items the visitor's history has",
    "orders": "the visitor's orders",
    "session_items": "how many items the session has",
    "days_since_event": "days since the visitor's last event with an item; -1 without one",
    "intent": "the number of the session's intent",
}
_BLOCKS = (
    _OWN, _SESSION, _TABLES, _SHARES, _SAME, _PRICES, ITEM_FEATURES, _RATES, _CANDIDATE, _VISITOR,
)  # fmt: skip

PAIR_FEATURES: dict[str, str] = {name: meaning for block in _BLOCKS for name, meaning in block.items()}
"""The names of the features, in their order, with their meanings."""


def pair_features(rows: Rows, context: RankingContext, positions: Rows | None = None) -> Values:
    """Compute the features of candidates.

    Args:
        rows: Rows of the candidates, each once; of ``context.resolve`` where the columns may not have them all.
        context: The visitor, the items and the tables.
        positions: Places in the caller's list, from 1; None if Presage found the candidates.

    Returns:
        Shape (len(rows), len(PAIR_FEATURES)), float32, all finite. A row depends on nothing but its candidate and the context.
    """
    values = np.empty((len(rows), len(PAIR_FEATURES)), np.float32)
    compiled = kernels()
    if compiled is None or not fill_compiled(compiled, values, rows, context, positions):
        fill_blocks(iter(_columns(values)), rows, context, positions)
    return values


def _columns(values: Values) -> list[Values]:
    blocks, begin = [], 0
    for block in _BLOCKS:
        blocks.append(values[:, begin : begin + len(block)])
        begin += len(block)
    return blocks
