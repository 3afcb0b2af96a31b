"""What a session seems to be about, by rules that are all here."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from presage_featurizer.events import EventType
from presage_featurizer.ranking.compiled import kernels
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import CODES, ItemFeatures
from presage_featurizer.state import Session

__all__ = ["Intent", "session_intent"]

_BUYING = (EventType.VIEW_CART, EventType.BEGIN_CHECKOUT, EventType.ADD_PAYMENT_INFO)
_KNOWN_SHARE = 0.5
_LAST_ITEMS = 8
_MIN_PRICED = 3
_CHEAP_SHARE = 0.6
_MIN_COMPARED = 2


class Intent(IntEnum):
    """What a session seems to be about; numbers and names are those of ``presage.v1.Intent``."""

    UNSPECIFIED = 0
    TRANSACTIONAL = 1
    COMPARING = 2
    BROWSING = 3
    RETURNING = 4
    BARGAIN = 5


def session_intent(session: Session | None, interests: Interests, item_features: ItemFeatures) -> Intent:
    """Say what a session is about. The first rule that holds decides.

    1. ``UNSPECIFIED``: there is no session.
    2. ``TRANSACTIONAL``: the newest event put an item into the cart, or the cart was looked at or a checkout begun, and the newest
       event is no purchase.
    3. ``RETURNING``: at least half of the session's items have events before the session's last 20.
    4. ``BARGAIN``: of the last eight items, at least three have a price, and 60 % of those are among the cheapest quarter of their
       category.
    5. ``COMPARING``: one category has at least two of the session's items, one of them more than once.
    6. ``BROWSING``: all else.
    """
    if session is None:
        return Intent.UNSPECIFIED
    last, events = session.last_type, session.events
    if last == EventType.ADD_TO_CART or (last != EventType.PURCHASE and any(kind in events for kind in _BUYING)):
        return Intent.TRANSACTIONAL
    size = interests.size
    if not size:
        return Intent.BROWSING
    known, is_comparing = _compare(interests)
    if known >= _KNOWN_SHARE * size:
        return Intent.RETURNING
    if _is_bargain(interests, item_features):
        return Intent.BARGAIN
    return Intent.COMPARING if is_comparing else Intent.BROWSING


def _compare(interests: Interests) -> tuple[int, bool]:
    """Count the session's items that have events before the session's last ones; return whether items are compared, too."""
    compiled = kernels()
    if compiled is not None:
        return compiled.compare_items(
            interests.digests, interests.size, interests.of_session, interests.of_history, interests.codes
        )
    same = (interests.session_digests[:, None] == interests.history_digests).ravel().nonzero()[0]
    known = 0
    if len(same):
        places, of_history = np.divmod(same, len(interests.history))
        events = (interests.purchases + interests.others).take(of_history)
        known = int(np.count_nonzero(events > interests.session_counts.take(places)))
    categories: list[int] = (interests.codes[: interests.size, 0] // len(CODES)).tolist()
    counts = interests.session_counts.tolist()
    repeated = {category for category, count in zip(categories, counts, strict=True) if category and count > 1.0}
    return known, any(categories.count(category) >= _MIN_COMPARED for category in repeated)


def _is_bargain(interests: Interests, item_features: ItemFeatures) -> bool:
    size = min(interests.size, _LAST_ITEMS)
    low_price = item_features.orders.low_price
    priced = cheap = 0
    for code, price in zip(interests.codes[:size, 0].tolist(), interests.prices[:size].tolist(), strict=True):
        category = code // len(CODES)
        if category and price > 0.0:
            priced += 1
            cheap += price <= low_price(category)
    return priced >= _MIN_PRICED and cheap >= _CHEAP_SHARE * priced
