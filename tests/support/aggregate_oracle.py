"""Declared features computed from a list of events, without any state: what the fold and its slots are compared with."""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st

from presage_featurizer import MICROS, Event, EventType, Item
from presage_featurizer.custom.declared import UNITS
from presage_featurizer.custom.shape import FeatureShape


def _value(event: Event) -> float | None:
    if event.value_micros is None and event.type in (EventType.PURCHASE, EventType.REFUND) and event.items:
        return sum(item.price_micros * item.quantity for item in event.items) / MICROS
    return None if event.value_micros is None else event.value_micros / MICROS


ITEM_ATTRIBUTES = {
    "item.price": lambda item: item.price_micros / MICROS or None,
    "item.quantity": lambda item: item.quantity,
    "item.category": lambda item: item.category or None,
    "item.brand": lambda item: item.brand or None,
    "item.item_id": lambda item: item.item_id,
}
EVENT_ATTRIBUTES = {
    "numbers.margin": lambda event: event.numbers.get("margin"),
    "numbers.rank": lambda event: event.numbers.get("rank"),
    "labels.channel": lambda event: event.labels.get("channel") or None,
    "labels.term": lambda event: event.labels.get("term") or None,
    "device": lambda event: event.device.name if event.device else None,
    "country": lambda event: event.country or None,
    "value": _value,
}
_NUMBERS = ("numbers.margin", "numbers.rank", "value", "item.price", "item.quantity")
_TEXTS = ("labels.channel", "labels.term", "item.category", "item.brand", "item.item_id")
_CONDITIONS = (
    ("item.category", "shoes"),
    ("item.category", ["hats", "shoes"]),
    ("item.brand", "acme"),
    ("item.price", {"min": 4.5}),
    ("item.price", {"max": 39.99}),
    ("item.quantity", {"min": 2, "max": 5}),
    ("item.quantity", [1, 12]),
    ("labels.channel", ["email", "ads"]),
    ("labels.term", "böhm"),
    ("numbers.margin", {"min": 0}),
    ("numbers.rank", 0.1),
    ("device", ["MOBILE", "DESKTOP"]),
    ("country", "GB"),
    ("value", {"min": 1, "max": 1000}),
)


@st.composite
def shapes(draw: st.DrawFn) -> FeatureShape:
    """Draw a declared feature."""
    kind = draw(st.sampled_from(("count", "sum", "min", "max", "last", "distinct", "decayed_sum", "time_since_last")))
    keys = {"aggregate": kind, "over": draw(st.sampled_from(("session", "visitor")))}
    if kind in ("sum", "min", "max") or (kind == "decayed_sum" and draw(st.booleans())):
        keys["of"] = draw(st.sampled_from(_NUMBERS))
    elif kind == "distinct":
        keys["of"] = draw(st.sampled_from(_TEXTS))
        keys["cap"] = draw(st.sampled_from((1, 2, 64, 256)))
    elif kind == "last":
        keys["of"] = draw(st.sampled_from(_NUMBERS + _TEXTS))
        if keys["of"] in _TEXTS:
            keys["values"] = ["ads", "hats", "acme", "product-1"]
    if kind == "decayed_sum":
        keys["half_life_days"] = draw(st.sampled_from((0.01, 7)))
    if kind == "time_since_last":
        keys["unit"] = draw(st.sampled_from(tuple(UNITS)))
    if draw(st.booleans()):
        keys["events"] = ["VIEW_ITEM", *draw(st.lists(st.sampled_from(("PURCHASE", "REFUND", "SEARCH"))))]
    if draw(st.booleans()):
        keys["where"] = dict(draw(st.lists(st.sampled_from(_CONDITIONS), min_size=1, max_size=2)))
    if draw(st.booleans()):
        keys["default"] = -1
    return FeatureShape(**keys)


def value_of_feature(shape: FeatureShape, events: list[Event], now: int) -> float:
    """Compute a declared feature over the events of its visitor or session, in the order in which they were folded."""
    seen = [(event.event_time_unix_micros, value) for event in events for value in _brought(shape, event)]
    if not seen:
        return shape.default
    values = [value for _, value in seen]
    newest = max(time for time, _ in seen)
    results = {
        "count": lambda: len(values),
        "sum": lambda: _sum(values, limit=inf if shape.of.startswith("numbers.") else 1e12),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "distinct": lambda: min(len(set(values)), shape.cap),
        "time_since_last": lambda: max(0, now - newest) / UNITS[shape.unit],
        "last": lambda: _last(shape, [value for time, value in seen if time == newest][-1]),
        "decayed_sum": lambda: _decayed(shape, events, now),
    }
    return results[shape.aggregate]()


def _sum(values: list[float], *, limit: float) -> float:
    total = 0
    for value in values:
        total = max(-limit, min(limit, total + value))
    return total


def _last(shape: FeatureShape, value: float | str) -> float:
    if not shape.values:
        return value
    return shape.values.index(value) + 1 if value in shape.values else 0


def _decayed(shape: FeatureShape, events: list[Event], now: int) -> float:
    half_life = shape.half_life_days * 86_400 * MICROS
    total, last = 0.0, None
    for event in events:
        weights = _brought(shape, event)
        if not weights:
            continue
        time, weight = event.event_time_unix_micros, sum(weights)
        if last is None or time >= last:
            total = (0.0 if last is None else total * _remaining(time - last, half_life)) + weight
            last = time
        else:
            total += weight * _remaining(last - time, half_life)
    return total * _remaining(now - last, half_life)


def _remaining(age: float, half_life: float) -> float:
    halvings = max(age, 0) // half_life
    return 0.0 if halvings >= 64 else (1 - (max(age, 0) / half_life - halvings) / 2) / 2**halvings


def _brought(shape: FeatureShape, event: Event) -> list:
    """List what one event brings: the values of its attribute, or 1 for each thing that counts."""
    if shape.over == "session" and event.type == EventType.REFUND:
        return []
    if shape.events and event.type.name not in shape.events:
        return []
    where = shape.where or {}
    of_event = {name: wanted for name, wanted in where.items() if name in EVENT_ATTRIBUTES}
    of_items = {name: wanted for name, wanted in where.items() if name in ITEM_ATTRIBUTES}
    if not all(_fits(EVENT_ATTRIBUTES[name](event), wanted) for name, wanted in of_event.items()):
        return []
    items: list[Item] = [
        item
        for item in event.items
        if all(_fits(ITEM_ATTRIBUTES[name](item), wanted) for name, wanted in of_items.items())
    ]
    if shape.of in ITEM_ATTRIBUTES:
        values = [ITEM_ATTRIBUTES[shape.of](item) for item in items]
    elif of_items and not items:
        values = []
    elif shape.of:
        values = [EVENT_ATTRIBUTES[shape.of](event)]
    else:
        values = [1] * len(items) if of_items else [1]
    return [value for value in values if value is not None]


def _fits(value, wanted) -> bool:
    if value is None:
        return False
    if isinstance(wanted, dict):
        return wanted.get("min", value) <= value <= wanted.get("max", value)
    return value in (wanted if isinstance(wanted, list) else [wanted])
