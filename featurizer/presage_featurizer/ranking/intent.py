"""What a session seems to be about, by rules that are all here."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from presage_featurizer.events import EventType
from presage_featurizer.ranking.compiled import loaded_kernels
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
    if not len(interests.session):
        return Intent.BROWSING
    if _is_returning(interests):
        return Intent.RETURNING
    size = len(interests.session)
    categories: list[int] = (interests.codes[:size, 0] // len(CODES)).tolist()
    prices: list[float] = interests.prices[: min(size, _LAST_ITEMS)].tolist()
    if _is_bargain(categories[:_LAST_ITEMS], prices, item_features):
        return Intent.BARGAIN
    return Intent.COMPARING if _is_comparing(categories, interests) else Intent.BROWSING


def _is_returning(interests: Interests) -> bool:
    return _count_known(interests) >= _KNOWN_SHARE * interests.size


def _count_known(interests: Interests) -> int:
    """Count the session's items that have events before the session's last ones."""
    compiled = loaded_kernels()
    if compiled is not None:
        return compiled.count_known(interests.digests, interests.size, interests.of_session, interests.of_history)
    same = (interests.session_digests[:, None] == interests.history_digests).ravel().nonzero()[0]
    if not len(same):
        return 0
    places, of_history = np.divmod(same, len(interests.history))
    events = (interests.purchases + interests.others).take(of_history)
    return int(np.count_nonzero(events > interests.session_counts.take(places)))


def _is_bargain(categories: list[int], prices: list[float], item_features: ItemFeatures) -> bool:
    priced = [(category, price) for category, price in zip(categories, prices, strict=True) if category and price > 0.0]
    if len(priced) < _MIN_PRICED:
        return False
    cheap = sum(price <= item_features.orders.low_price(category) for category, price in priced)
    return cheap >= _CHEAP_SHARE * len(priced)


def _is_comparing(categories: list[int], interests: Interests) -> bool:
    counts = interests.session_counts.tolist()
    repeated = {category for category, count in zip(categories, counts, strict=True) if category and count > 1.0}
    return any(categories.count(category) >= _MIN_COMPARED for category in repeated)
