"""Habits: how often and when a visitor is active, and which products and categories they are interested in."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from presage_featurizer.decay import decay_factor
from presage_featurizer.digests import WIDTH, contains, product_digest
from presage_featurizer.events import MICROS, Event, EventType, Item
from presage_featurizer.state import (
    MAX_CATEGORY_INTERESTS,
    MAX_MONEY_MICROS,
    MAX_VIEWED_PRODUCTS,
    Habits,
    Interest,
)

__all__ = ["EVENT_WEIGHTS", "HOURS_PER_WEEK", "INTEREST_HALF_LIFE_MICROS", "fold_habits", "interest_now"]

EVENT_WEIGHTS: dict[EventType, float] = {
    EventType.PURCHASE: 10.0,
    EventType.GROUP_JOIN: 9.0,
    EventType.ADD_PAYMENT_INFO: 8.0,
    EventType.BEGIN_CHECKOUT: 7.0,
    EventType.ADD_TO_CART: 6.0,
    EventType.GROUP_JOIN_START: 5.0,
    EventType.RATE_ITEM: 4.0,
    EventType.ADD_TO_WISHLIST: 3.0,
    EventType.VIEW_ITEM: 2.0,
    EventType.SEARCH: 1.5,
    EventType.PAGE_VIEW: 1.0,
    EventType.REMOVE_FROM_WISHLIST: -1.0,
    EventType.REMOVE_FROM_CART: -2.0,
    EventType.GROUP_LEAVE: -3.0,
}
"""How much interest an event of each type shows; 0 for types that are not listed."""

INTEREST_HALF_LIFE_MICROS = 7 * 86_400 * MICROS
"""An interest without new events halves in this time."""

K = TypeVar("K", str, bytes)

HOURS_PER_WEEK = 7 * 24

_UNIX_EPOCH_HOUR_OF_WEEK = 3 * 24  # 1970-01-01 was a Thursday, and weeks begin on Monday
_HOUR_MICROS = 3_600 * MICROS
_UNIX_EPOCH_DAY = 719_468  # days from 1 March of the year 0
_DAYS_PER_400_YEARS = 146_097
_VIEWED_BYTES = MAX_VIEWED_PRODUCTS * WIDTH
_VIEW_ITEM = EventType.VIEW_ITEM
_MAX_EVENT_ITEMS = 12


def fold_habits(habits: Habits, event: Event, *, is_newest: bool) -> None:
    """Fold one event, not a refund, into the habits (changes them in place).

    Args:
        habits: The visitor's habits.
        event: The event.
        is_newest: Whether no earlier folded event has a later time; only then its product becomes the visitor's last one.
    """
    kind = event.type
    habits.events[int(kind)] = habits.events.get(kind, 0) + 1
    hours = event.event_time_unix_micros // _HOUR_MICROS
    hour = (hours + _UNIX_EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK + (HOURS_PER_WEEK if _in_summer(hours // 24) else 0)
    habits.hours_of_week[hour] = habits.hours_of_week.get(hour, 0) + 1
    weight = EVENT_WEIGHTS.get(kind, 0.0)
    if weight and event.items:
        # The rest of an order of a thousand lines would only displace the first few.
        now = event.event_time_unix_micros
        for item in event.items[:_MAX_EVENT_ITEMS]:
            if kind == _VIEW_ITEM:
                _count_view(habits, item, product_digest(item.item_id))
            if item.category:
                _add_interest(habits.categories, item.category, weight, now, MAX_CATEGORY_INTERESTS)
        if is_newest:
            habits.last_category = item.category
            habits.last_price_micros = item.price_micros


def interest_now(interest: Interest | None, now_unix_micros: int) -> float:
    """Return the sum of an interest's weights, each halved every INTEREST_HALF_LIFE_MICROS; 0 if there is none."""
    if interest is None:
        return 0.0
    return interest.score * decay_factor(now_unix_micros - interest.last_unix_micros, INTEREST_HALF_LIFE_MICROS)


@lru_cache(maxsize=4_096)
def _in_summer(unix_day: int) -> bool:
    """Return whether a day lies in April to October, when clocks are on summer time, or in the south are not.

    Source of the arithmetic: "chrono-compatible low-level date algorithms", Howard Hinnant. Years begin in March there.
    """
    day = (unix_day + _UNIX_EPOCH_DAY) % _DAYS_PER_400_YEARS
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (365 * year + year // 4 - year // 100)
    return 31 <= day_of_year < 245


def _count_view(habits: Habits, item: Item, item_digest: bytes) -> None:
    habits.item_views += 1
    viewed = habits.viewed_products
    if contains(viewed, item_digest):
        habits.repeat_views += 1
    elif len(viewed) < _VIEWED_BYTES:
        habits.viewed_products = viewed + item_digest
    price = item.price_micros
    # Above the limit, the average no longer changes.
    if price and (viewed_price := habits.viewed_price_micros + price) <= MAX_MONEY_MICROS:
        habits.priced_views += 1
        habits.viewed_price_micros = viewed_price


def _add_interest(interests: dict[K, Interest], key: K, weight: float, now: int, limit: int) -> None:
    """Add an event's weight to an interest; above the limit, the interest that was changed least recently is dropped."""
    before = interests.get(key)
    if before is None:
        if len(interests) >= limit:
            del interests[_oldest(interests)]
        interests[key] = Interest(weight, now, 1)
    else:
        last = before.last_unix_micros
        score = before.score * decay_factor(now - last, INTEREST_HALF_LIFE_MICROS) + weight
        interests[key] = Interest(score, max(now, last), before.count + 1)


def _oldest(interests: dict[K, Interest]) -> K:
    items = iter(interests.items())
    found, oldest = next(items)
    for key, interest in items:
        if interest.last_unix_micros < oldest.last_unix_micros:
            found, oldest = key, interest
    return found
