"""Features of the visitor's habits: frequency, times of activity, steps of the funnel, and interests."""

from __future__ import annotations

from functools import lru_cache
from math import log2

from presage_featurizer.catalogue import feature
from presage_featurizer.decay import decay_factor
from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS, EventType
from presage_featurizer.features.items import MAX_AFFINITY, affinity
from presage_featurizer.habits import EVENT_WEIGHTS, HOURS_PER_WEEK, interest_now
from presage_featurizer.state import MAX_CATEGORY_INTERESTS, MAX_VIEWED_PRODUCTS
from presage_featurizer.view import View, local_seconds

_RECENCY_HALF_LIFE_MICROS = 7 * 86_400 * MICROS
_YEAR_SECONDS = 31_556_952  # the mean of the Gregorian calendar
_HALF_ENGAGED_WEIGHT = 50.0
_WEIGHTS = {int(kind): weight for kind, weight in EVENT_WEIGHTS.items()}


def _count(view: View, kind: EventType) -> int:
    return view.habits.events.get(kind, 0)


def _total(view: View) -> int:
    return sum(view.habits.events.values())


def _rate(step: int, before: int) -> float:
    """Return the ratio of one step of the funnel to the step before; at most 1, because a visitor may skip a step."""
    return min(step / before, 1.0) if before else 0.0


def _local_hours(view: View) -> dict[int, int]:
    """Count events by hour of the shop's week, from 0 (Monday 00:00) to 167."""
    return _shifted(view.habits.hours_of_week, view.state.last_seen_unix_micros, view.time_zone)


def _shifted(hours: dict[int, int], newest_unix_micros: int, time_zone: str) -> dict[int, int]:
    """Read the hours of winter and of summer at the offsets that the zone has then, so that they do not move with the clocks.

    Args:
        hours: ``Habits.hours_of_week``.
        newest_unix_micros: Offsets are those of its year.
        time_zone: The shop's.
    """
    shifts = _season_offset_hours(time_zone, newest_unix_micros // (_YEAR_SECONDS * MICROS))
    local: dict[int, int] = {}
    for hour, count in hours.items():
        key = (hour + shifts[hour >= HOURS_PER_WEEK]) % HOURS_PER_WEEK
        local[key] = local.get(key, 0) + count
    return local


@lru_cache(maxsize=1_024)
def _season_offset_hours(time_zone: str, years: int) -> tuple[int, int]:
    """Return a zone's offset from UTC in the middle of winter and of summer, in whole hours, so many years after 1970."""
    january, july = (years * _YEAR_SECONDS + days * 86_400 for days in (15, 196))
    winter, summer = ((local_seconds(seconds * MICROS, time_zone) - seconds) // 3_600 for seconds in (january, july))
    return winter, summer


def _peak(counts: dict[int, int]) -> float:
    """Return the key with the largest count, the smallest of equal ones; -1 without any."""
    return min(counts, key=lambda key: (-counts[key], key), default=-1)


def _grouped(counts: dict[int, int], group_of: list[int]) -> dict[int, int]:
    grouped: dict[int, int] = {}
    for key, count in counts.items():
        grouped[group_of[key]] = grouped.get(group_of[key], 0) + count
    return grouped


_HOUR_OF_DAY = [hour % 24 for hour in range(HOURS_PER_WEEK)]
_DAY_OF_WEEK = [hour // 24 for hour in range(HOURS_PER_WEEK)]


@feature(unit="events", scope="habits")
def total_events(view: View) -> float:
    """Events so far, excluding refunds."""
    return _total(view)


@feature(unit="products", scope="habits", high=MAX_VIEWED_PRODUCTS)
def unique_products(view: View) -> float:
    """Distinct products viewed so far, up to 256."""
    return len(view.habits.viewed_products) // WIDTH


@feature(unit="events/day", scope="habits")
def events_per_day(view: View) -> float:
    """Events so far per day since first seen, which counts as one day at least."""
    return _total(view) / max(1.0, view.days_since(view.state.first_seen_unix_micros))


@feature(unit="events", scope="habits")
def purchases(view: View) -> float:
    """Purchases so far."""
    return _count(view, EventType.PURCHASE)


@feature(unit="events", scope="habits")
def cart_adds(view: View) -> float:
    """Additions to the cart so far."""
    return _count(view, EventType.ADD_TO_CART)


@feature(unit="events", scope="habits")
def searches(view: View) -> float:
    """Searches so far."""
    return _count(view, EventType.SEARCH)


@feature(unit="events", scope="habits")
def wishlist_adds(view: View) -> float:
    """Additions to the wish list so far."""
    return _count(view, EventType.ADD_TO_WISHLIST)


@feature(unit="events", scope="habits")
def group_views(view: View) -> float:
    """Group purchases viewed so far."""
    return _count(view, EventType.GROUP_VIEW)


@feature(unit="events", scope="habits")
def group_joins(view: View) -> float:
    """Group purchases joined so far."""
    return _count(view, EventType.GROUP_JOIN)


@feature(unit="share", scope="habits", high=1.0)
def view_to_cart_rate(view: View) -> float:
    """Cart additions per product view, at most 1; 0 without views."""
    return _rate(_count(view, EventType.ADD_TO_CART), _count(view, EventType.VIEW_ITEM))


@feature(unit="share", scope="habits", high=1.0)
def cart_to_checkout_rate(view: View) -> float:
    """Checkouts begun per cart addition, at most 1; 0 without additions."""
    return _rate(_count(view, EventType.BEGIN_CHECKOUT), _count(view, EventType.ADD_TO_CART))


@feature(unit="share", scope="habits", high=1.0)
def checkout_to_purchase_rate(view: View) -> float:
    """Purchases per checkout begun, at most 1; 0 without checkouts."""
    return _rate(_count(view, EventType.PURCHASE), _count(view, EventType.BEGIN_CHECKOUT))


@feature(unit="share", scope="habits", high=1.0)
def overall_conversion_rate(view: View) -> float:
    """Purchases per product view, at most 1; 0 without views."""
    return _rate(_count(view, EventType.PURCHASE), _count(view, EventType.VIEW_ITEM))


@feature(unit="hour", scope="habits", low=-1.0, high=23.0, default=-1.0, version=2)
def peak_activity_hour(view: View) -> float:
    """The hour of the day with most of the visitor's events, the earliest of equal ones; -1 without history."""
    return _peak(_grouped(_local_hours(view), _HOUR_OF_DAY))


@feature(unit="day", scope="habits", low=-1.0, high=6.0, default=-1.0, version=2)
def peak_activity_day(view: View) -> float:
    """The day of the week with most of the visitor's events, Monday = 0, the earliest of equal ones; -1 without history."""
    return _peak(_grouped(_local_hours(view), _DAY_OF_WEEK))


@feature(unit="flag", scope="habits", high=1.0, version=2)
def is_weekend_shopper(view: View) -> float:
    """1 if more than half of the visitor's events fell on Saturdays and Sundays."""
    days = _grouped(_local_hours(view), _DAY_OF_WEEK)
    return 2 * (days.get(5, 0) + days.get(6, 0)) > sum(days.values())


@feature(unit="bits", scope="habits", high=5.0)
def category_diversity(view: View) -> float:
    """Shannon entropy of the categories of the visitor's products; 0 for one category or none."""
    counts = [interest.count for interest in view.habits.categories.values()]
    total = sum(counts)
    return max(0.0, -sum(count / total * log2(count / total) for count in counts))


@feature(unit="categories", scope="habits", high=MAX_CATEGORY_INTERESTS)
def categories_explored(view: View) -> float:
    """Distinct categories of the visitor's products, up to 32."""
    return len(view.habits.categories)


@feature(unit="share", scope="habits", high=1.0)
def top_category_share(view: View) -> float:
    """Share of the most frequent category; 0 without any."""
    counts = [interest.count for interest in view.habits.categories.values()]
    return max(counts) / sum(counts) if counts else 0.0


@feature(unit="days", scope="habits")
def days_since_last_event(view: View) -> float:
    """Days since the visitor's newest event."""
    return view.days_since(view.state.last_seen_unix_micros)


@feature(unit="score", scope="habits", high=1.0)
def recency_score(view: View) -> float:
    """1 at the visitor's newest event, halved every 7 days; 0 without history."""
    last = view.state.last_seen_unix_micros
    return decay_factor(view.now_unix_micros - last, _RECENCY_HALF_LIFE_MICROS) if last else 0.0


@feature(unit="score", scope="habits", high=1.0)
def engagement_score(view: View) -> float:
    """Weight of all of the visitor's events: w / (w + 50) for the sum w of their weights; 0 if that is negative."""
    weight = sum([_WEIGHTS.get(kind, 0.0) * count for kind, count in view.habits.events.items()])
    return weight / (weight + _HALF_ENGAGED_WEIGHT) if weight > 0 else 0.0


@feature(unit="score", scope="habits", high=MAX_AFFINITY)
def category_affinity(view: View) -> float:
    """Interest in the category of the last product, 0 to 5: as item_affinity, but halved every 7 days."""
    habits = view.habits
    return affinity(interest_now(habits.categories.get(habits.last_category), view.now_unix_micros))


@feature(unit="share", scope="habits", high=1.0)
def repeat_view_rate(view: View) -> float:
    """Share of product views that repeat an earlier one; 0 without views."""
    habits = view.habits
    return habits.repeat_views / habits.item_views if habits.item_views else 0.0


@feature(unit="ratio", scope="habits")
def price_vs_user_average(view: View) -> float:
    """Price of the last product relative to the average price of products viewed; 0 if either is unknown."""
    habits = view.habits
    if not habits.viewed_price_micros:
        return 0.0
    return habits.last_price_micros * habits.priced_views / habits.viewed_price_micros
