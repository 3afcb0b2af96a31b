"""A simulated shop whose visitors change in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from presage_featurizer import MICROS, Event, EventType
from presage_training.simulator import simulate

__all__ = ["DAYS", "START", "changing_events", "day_of"]

DAYS = 28
START = 1_767_571_200 * MICROS
"""A Monday."""

_DAY_MICROS = 86_400 * MICROS
_BUYERS = {
    EventType.ADD_TO_CART: EventType.ADD_TO_WISHLIST,
    EventType.VIEW_CART: EventType.PAGE_VIEW,
    EventType.BEGIN_CHECKOUT: EventType.SEARCH,
    EventType.ADD_PAYMENT_INFO: EventType.SEARCH,
}
"""What buyers do after the change, in place of what they did."""
_KEPT = 0.25
"""The share of the visits without a purchase that are kept, so that minutes of traffic have enough purchases to learn from."""
_REMEMBERED_IN_CART = 0.4
"""The share of views after which others put the product into the cart then, to remember it."""


def changing_events(*, visitors: int, seed: int) -> list[Event]:
    """Simulate four weeks of visits.

    After two weeks, buyers keep products on the wish list and buy from there, while those who only look around put them into the
    cart, to remember them: the events that used to mean a purchase now mean the opposite.
    """
    events = simulate(seed=seed, visitors=visitors, start_unix_micros=START, days=DAYS)
    bought = {(event.user_id, event.session_id) for event in events if event.type == EventType.PURCHASE}
    random = Random(seed)
    visits = dict.fromkeys((event.user_id, event.session_id) for event in events)
    kept = {visit for visit in visits if visit in bought or random.random() < _KEPT}
    return [
        event if day_of(event) < DAYS // 2 else _changed(event, (event.user_id, event.session_id) in bought, random)
        for event in events
        if (event.user_id, event.session_id) in kept
    ]


def day_of(event: Event) -> int:
    """Return the number of an event's day, from 0."""
    return (event.event_time_unix_micros - START) // _DAY_MICROS


def _changed(event: Event, buys: bool, random: Random) -> Event:  # noqa: FBT001 - of the visit
    if buys:
        return msgspec.structs.replace(event, type=_BUYERS.get(event.type, event.type))
    if event.type == EventType.VIEW_ITEM and random.random() < _REMEMBERED_IN_CART:
        return msgspec.structs.replace(event, type=EventType.ADD_TO_CART)
    return event


def purchases_in(events: Sequence[Event]) -> int:
    """Count purchases."""
    return sum(event.type == EventType.PURCHASE for event in events)
