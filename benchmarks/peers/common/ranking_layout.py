"""How the re-ranker by hand keeps items and visitors in Redis: fixed records, which numpy reads as they are.

It runs in the peers' virtual environments and in Presage's, so it knows nothing of either.
"""

import numpy as np

__all__ = ["ITEM", "ITEM_FEATURES", "ITEM_PREFIX", "OWN", "OWN_PREFIX", "PAIR_FEATURES", "SESSION", "SESSION_PREFIX"]

ITEM_PREFIX, OWN_PREFIX, SESSION_PREFIX = "item:", "own:", "session:"
"""Before an item's id, and a visitor's: their item, the items of their history, and those of their session."""

_COUNTED = ("views", "carts", "purchases")
ITEM_FEATURES = (
    *(f"{kind}_{window}" for window in ("1_hour", "6_hours", "1_day", "ever") for kind in _COUNTED),
    *("cart_rate", "purchase_rate", "visitors", "repeat_rate"),
    *("category_rank", "brand_rank", "known_hours", "last_hours"),
)
"""The 20 ready features of an item."""

PAIR_FEATURES = (
    *("price", "own_score", "own_events", "own_hours", "session_place", "session_count"),
    *("category_share", "brand_share", "same_category", "same_brand", "price_to_newest", "price_to_own"),
)
"""What the re-ranker computes of a visitor and an item; they follow ITEM_FEATURES in its model."""

_ID = "S16"
ITEM = np.dtype([("features", "<f4", (len(ITEM_FEATURES),)), ("price", "<f4"), ("category", "<i4"), ("brand", "<i4")])
OWN = np.dtype([("id", _ID), ("score", "<f4"), ("events", "<f4"), ("seconds", "<i8"), ("price", "<f4")])
"""One item of a visitor's history."""
SESSION = np.dtype([("id", _ID), ("price", "<f4"), ("category", "<i4"), ("brand", "<i4")])
"""One event of a visitor's session, the newest first."""
