"""How much a request may hold. The contract states the same numbers."""

from __future__ import annotations

from presage_featurizer.events import (
    MAX_ATTRIBUTES,
    MAX_LABEL_BYTES,
    MAX_NUMBER,
    MAX_POSITION,
    MAX_PRICE,
    MAX_RANK_ID_BYTES,
    MAX_VALUE,
)
from presage_featurizer.state import MAX_QUANTITY, MAX_RECENT_EVENTS
from presage_featurizer.wrong_clock import MAX_AHEAD_MICROS

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_BATCH",
    "MAX_BATCH_ITEMS",
    "MAX_CANDIDATES",
    "MAX_CONDITIONS",
    "MAX_EVENTS_PER_VISITOR",
    "MAX_EVENT_BYTES",
    "MAX_FUTURE_MICROS",
    "MAX_ID_BYTES",
    "MAX_ITEMS",
    "MAX_LABEL_BYTES",
    "MAX_NUMBER",
    "MAX_POSITION",
    "MAX_PRICE",
    "MAX_QUANTITY",
    "MAX_RANKED_ITEMS",
    "MAX_RANK_ID_BYTES",
    "MAX_STOCK",
    "MAX_TAGS",
    "MAX_TAG_BYTES",
    "MAX_VALUE",
    "MIN_UNIX_MICROS",
]

MAX_ID_BYTES = 256
"""Bytes of UTF-8 in an id, a category or a brand."""

MAX_ITEMS = 2_000
"""Items in one event."""

MAX_TAGS = 32
"""Tags of an item."""

MAX_TAG_BYTES = 64
"""Bytes of UTF-8 in a tag."""

MAX_STOCK = 10**12
"""Units in stock."""

MAX_FUTURE_MICROS = MAX_AHEAD_MICROS
"""How far an event's time may be ahead of the server's clock."""

MAX_BATCH = 1_000
"""Events, targets or vectors in one call."""

MAX_BATCH_ITEMS = 10_000
"""Items of all events of one call."""

MAX_EVENT_BYTES = 256 << 10
"""One event on the wire: events are kept in the event log."""

MIN_UNIX_MICROS = 10**14
"""A moment in 1973. A smaller number of microseconds is a number of seconds or milliseconds taken for one."""

MAX_EVENTS_PER_VISITOR = MAX_RECENT_EVENTS
"""Events of one visitor in one call: a call that is sent again must find all of them among those remembered."""

MAX_CANDIDATES = 1_000
"""Items to rank in one call."""

MAX_RANKED_ITEMS = MAX_CANDIDATES
"""Items of one response."""

MAX_CONDITIONS = 100
"""Categories, brands or tags, of each kind, that a filter names."""
