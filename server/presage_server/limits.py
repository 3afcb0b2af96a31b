"""How much a request may hold. The contract states the same numbers."""

from __future__ import annotations

from presage_featurizer.state import MAX_QUANTITY, MAX_RECENT_EVENTS

__all__ = [
    "MAX_BATCH",
    "MAX_BATCH_OF_VISITOR",
    "MAX_FUTURE_MICROS",
    "MAX_ID_BYTES",
    "MAX_ITEMS",
    "MAX_PRICE",
    "MAX_QUANTITY",
    "MAX_VALUE",
]

MAX_ID_BYTES = 256
"""Bytes of UTF-8 in an id, a category or a brand."""

MAX_ITEMS = 2_000
"""Items in one event."""

MAX_PRICE = 1e9
"""Price of one unit."""

MAX_VALUE = 1e12
"""Value of one event, given or summed over its items."""

MAX_FUTURE_MICROS = 5 * 60 * 1_000_000
"""How far an event's time may be ahead of the server's clock."""

MAX_BATCH = 1_000
"""Events, targets or vectors in one call."""

MAX_BATCH_OF_VISITOR = MAX_RECENT_EVENTS
"""Events of one visitor in one call: a call that is sent again must find all of them among those remembered."""
