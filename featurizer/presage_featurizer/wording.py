"""The value of a feature in words, such as "3 units in the cart": what an explanation tells a person.

Features without a phrase here, and a project's own, are told by their meaning, value and unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isnan
from typing import Final

from presage_featurizer.catalogue import CATALOGUE
from presage_featurizer.events import Device, EventType
from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.segments import Segment

__all__ = ["PHRASES", "describe_contribution", "describe_value"]

_STEPS = ("none", "page", "list", "product", "cart", "checkout", "payment", "purchase")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_FEW_DAYS: Final = 0.01

_UNSAID_UNITS = frozenset({"number", "currency", "score", "index", "flag", "month", "quarter"})

_Phrase = Callable[[float], str]


def _number(value: float) -> str:
    """Write a number as short as it is read: whole ones in full, others with three digits that matter."""
    if not isfinite(value):
        return "unknown" if isnan(value) else str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.3g}"


def _count(one: str, many: str) -> _Phrase:
    """Return the phrase of a count; the number takes the place of ``#``."""
    return lambda value: (one if value == 1 else many).replace("#", _number(value))


def _nouns(noun: str, rest: str, plural: str = "") -> _Phrase:
    return _count(f"# {noun} {rest}", f"# {plural or noun + 's'} {rest}")


def _told(what: str, unit: str = "") -> _Phrase:
    return lambda value: f"{what}: {_number(value)}{unit}"


def _days(what: str) -> _Phrase:
    return lambda value: f"{what}: {f'under {_FEW_DAYS}' if 0 < value < _FEW_DAYS else _number(value)}"


def _share(what: str) -> _Phrase:
    return lambda value: f"{what}: {value:.0%}"


def _named(what: str, names: Sequence[str]) -> _Phrase:
    def phrase(value: float) -> str:
        is_known = 0 <= value < len(names) and value == int(value)
        return f"{what}: {names[int(value)] if is_known else _number(value)}"

    return phrase


def _flag(yes: str, no: str) -> _Phrase:
    return lambda value: yes if value else no


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


_EVENTS = ["none", *(_words(kind.name) for kind in EventType if kind)]
_HERE, _SO_FAR, _IN_CART = "in this session", "so far", "in the cart"

PHRASES: Final[dict[str, _Phrase]] = {
    "recency_days": _days("days since the last purchase, or since first seen"),
    "frequency": _nouns("order", _SO_FAR),
    "monetary_value": _told("money spent so far"),
    "avg_order_value": _told("money spent per order"),
    "days_since_first_purchase": _days("days since the first purchase, 0 without one"),
    "page_views": _nouns("page", f"viewed {_HERE}"),
    "product_views": _nouns("product view", _HERE),
    "add_to_cart_events": _nouns("addition", f"to the cart {_HERE}"),
    "unique_products_viewed": _nouns("different product", f"viewed {_HERE}"),
    "avg_product_price_viewed": _told(f"average price of the products viewed {_HERE}"),
    "bounce_rate": _share("share of visits with a single event"),
    "cart_items_count": _nouns("unit", _IN_CART),
    "avg_cart_item_price": _told("average price of a unit in the cart"),
    "max_cart_value": _told(f"largest value of the cart {_HERE}"),
    "cart_categories_count": _nouns("category", _IN_CART, "categories"),
    "cart_brands_count": _nouns("brand", _IN_CART),
    "hour_of_day": lambda value: f"hour of the day: {int(value):02d}:00",
    "day_of_week": _named("day of the week", _DAYS),
    "is_weekend": _flag("on a weekend", "not on a weekend"),
    "is_business_hours": _flag("in business hours", "not in business hours"),
    "user_segment_encoded": _named("segment", [_words(segment.name) for segment in Segment]),
    "device_encoded": _named("device", ["unknown", *(_words(device.name) for device in Device if device)]),
    "session_duration_minutes": _told(f"minutes {_HERE}"),
    "event_count": _nouns("event", _HERE),
    "session_searches": _nouns("search", _HERE, "searches"),
    "session_wishlist_adds": _nouns("addition", f"to the wish list {_HERE}"),
    "session_list_views": _nouns("list", f"of products viewed {_HERE}"),
    "session_item_selections": _nouns("product", f"selected from a list {_HERE}"),
    "session_cart_removals": _nouns("removal", f"from the cart {_HERE}"),
    "session_cart_views": _nouns("view", f"of the cart {_HERE}"),
    "session_checkouts": _nouns("checkout", f"begun {_HERE}"),
    "session_payment_infos": _count(f"payment details given once {_HERE}", f"payment details given # times {_HERE}"),
    "session_purchases": _nouns("purchase", _HERE),
    "session_repeat_views": _nouns("repeated product view", _HERE),
    "product_view_share": _share(f"share of product views {_HERE}"),
    "last_event_type": _named(f"newest event {_HERE}", _EVENTS),
    "last_event_step": _named(f"step of the newest event {_HERE}", _STEPS),
    "deepest_step": _named(f"deepest step {_HERE}", _STEPS),
    "steps_reached": _nouns("step", f"of the funnel reached {_HERE}"),
    "seconds_since_last_event": _told("seconds since the newest event"),
    "last_gap_seconds": _told("seconds between the two newest events"),
    "longest_gap_seconds": _told(f"longest pause {_HERE}", " s"),
    "mean_gap_seconds": _told(f"mean pause {_HERE}", " s"),
    "item_affinity": _told("interest in the last product, 0 to 5"),
    "total_events": _nouns("event", _SO_FAR),
    "unique_products": _nouns("different product", f"viewed {_SO_FAR}"),
    "events_per_day": _told("events per day"),
    "purchases": _nouns("purchase", _SO_FAR),
    "cart_adds": _nouns("addition", f"to the cart {_SO_FAR}"),
    "searches": _nouns("search", _SO_FAR, "searches"),
    "wishlist_adds": _nouns("addition", f"to the wish list {_SO_FAR}"),
    "group_views": _nouns("group purchase", f"viewed {_SO_FAR}"),
    "group_joins": _nouns("group purchase", f"joined {_SO_FAR}"),
    "view_to_cart_rate": _share("cart additions per product view"),
    "cart_to_checkout_rate": _share("checkouts per cart addition"),
    "checkout_to_purchase_rate": _share("purchases per checkout"),
    "overall_conversion_rate": _share("purchases per product view"),
    "peak_activity_hour": _told("hour with most events"),
    "peak_activity_day": _named("day with most events", _DAYS),
    "is_weekend_shopper": _flag("mostly active on weekends", "mostly active on weekdays"),
    "categories_explored": _nouns("category", f"looked at {_SO_FAR}", "categories"),
    "top_category_share": _share("share of the most frequent category"),
    "days_since_last_event": _days("days since the newest event"),
    "recency_score": _told("how recent the newest event is, 0 to 1"),
    "engagement_score": _told("weight of all events, 0 to 1"),
    "category_affinity": _told("interest in the last category, 0 to 5"),
    "repeat_view_rate": _share("share of repeated product views"),
    "price_vs_user_average": _told("price of the last product, by the average of those viewed"),
}
"""A phrase for a feature's value, by the feature's name."""


def describe_value(feature_set: FeatureSet, name: str, value: float) -> str:
    """Say the value of one feature of a set in words, such as "3 units in the cart"; NaN is "unknown"."""
    if not isfinite(value):
        return f"{name}: {_number(value)}"
    if name in PHRASES:
        return PHRASES[name](value)
    if name == "country_encoded":
        return _named("country", ("unknown", *feature_set.countries))(value)
    own = None if feature_set.custom is None else feature_set.custom.catalogue.get(name)
    feature = own or CATALOGUE.get(name)
    if feature is None:
        return f"{name}: {_number(value)}"
    meaning = feature.meaning.partition(";")[0].rstrip(".")
    if own is not None:
        meaning = f"{name} ({meaning.removeprefix('Declared: ')})"
    return f"{meaning}: {_number(value)}{'' if feature.unit in _UNSAID_UNITS else f' {feature.unit}'}"


def describe_contribution(feature_set: FeatureSet, name: str, value: float, contribution: float) -> str:
    """Say what one feature adds to a margin, such as "3 units in the cart, +0.42"."""
    return f"{describe_value(feature_set, name, value)}, {contribution:+.2f}"
