"""Every feature against its definition, computed the slow and plain way from the whole list of events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import CATALOGUE, MICROS, Event, EventType, FeatureSet, featurize
from support.events import DAY_MICROS, MINUTE_MICROS, SESSION_IDS, fold_all, logs

WITHOUT_HABITS = FeatureSet(
    name="without-habits",
    features=tuple(name for name, feature in CATALOGUE.items() if feature.scope not in {"habits", "items"}),
    time_zone="Europe/London",
    countries=("FR", "GB"),
)
STEPS = {
    "PAGE_VIEW": 1, "VIEW_ITEM_LIST": 2, "SEARCH": 2, "SELECT_ITEM": 3, "VIEW_ITEM": 3, "ADD_TO_CART": 4, "VIEW_CART": 4,
    "BEGIN_CHECKOUT": 5, "ADD_PAYMENT_INFO": 6, "PURCHASE": 7,
}  # fmt: skip
IDLE_MICROS = 30 * MINUTE_MICROS


@dataclass
class Line:
    category: str = ""
    brand: str = ""
    price_micros: int = 0
    quantity: int = 0


@dataclass(eq=False)
class Visit:
    """One session: the positions of its events in the log."""

    session_id: str
    events: list[Event]
    positions: list[int] = field(default_factory=list)
    evicted: bool = False

    def idle_micros(self, now: int) -> int:
        return now - self.events[self.positions[-1]].event_time_unix_micros

    def may_go_on(self, now: int) -> bool:
        return not self.evicted and self.idle_micros(now) <= (DAY_MICROS if self.session_id else IDLE_MICROS)


def without_duplicates(log: list[Event]) -> list[Event]:
    first_of_each: dict[str, Event] = {}
    for each in log:
        first_of_each.setdefault(each.event_id, each)
    return list(first_of_each.values())


def visits_of(events: list[Event]) -> list[Visit]:
    visits: list[Visit] = []
    for position, each in enumerate(events):
        if each.type == EventType.REFUND:
            continue
        open_visits = [visit for visit in visits if visit.may_go_on(each.event_time_unix_micros)]
        mine = next((visit for visit in open_visits if visit.session_id == each.session_id), None)
        if mine is None:
            if len(open_visits) == 4:
                min(open_visits, key=lambda visit: visit.positions[-1]).evicted = True
            mine = Visit(each.session_id, events)
            visits.append(mine)
        mine.positions.append(position)
    return visits


def current_visit(visits: list[Visit], now: int, session_id: str) -> Visit | None:
    if session_id:
        candidates = [visit for visit in visits if visit.session_id == session_id and visit.may_go_on(now)]
    else:
        candidates = [visit for visit in visits if not visit.evicted]
        candidates = sorted(candidates, key=lambda visit: visit.positions[-1])[-1:]
        candidates = [visit for visit in candidates if visit.idle_micros(now) <= IDLE_MICROS]
    return candidates[-1] if candidates else None


def cart_of(events: list[Event]) -> dict[str, Line]:
    cart: dict[str, Line] = {}
    for each in events:
        if each.type == EventType.ADD_TO_CART:
            for item in each.items:
                line = cart.setdefault(item.item_id, Line())
                line.category = item.category or line.category
                line.brand = item.brand or line.brand
                line.price_micros = item.price_micros or line.price_micros
                line.quantity += item.quantity
        elif each.type in {EventType.REMOVE_FROM_CART, EventType.PURCHASE}:
            if each.type == EventType.PURCHASE and not each.items:
                cart.clear()
            for item in each.items:
                if item.item_id in cart:
                    cart[item.item_id].quantity -= item.quantity
                    if cart[item.item_id].quantity <= 0:
                        del cart[item.item_id]
    return cart


def money(micros: int) -> Fraction:
    return Fraction(micros, MICROS)


def cart_value(cart: dict[str, Line]) -> Fraction:
    return money(sum(line.price_micros * line.quantity for line in cart.values()))


def worth(event: Event) -> int:
    if event.value_micros is not None:
        return event.value_micros
    return sum(item.price_micros * item.quantity for item in event.items)


def segment(orders: int, visits: int, days_since_last_order: Fraction) -> int:
    if orders == 0:
        return 1 if visits > 1 else 0
    if days_since_last_order > 90:
        return 5
    return 2 if orders == 1 else 3 if orders < 5 else 4


def expected_features(log: list[Event], now: int, session_id: str, feature_set: FeatureSet) -> dict[str, float]:
    events = without_duplicates(log)
    purchases = [each for each in events if each.type == EventType.PURCHASE]
    refunds = [each for each in events if each.type == EventType.REFUND]
    spent = money(sum(map(worth, purchases)) - sum(map(worth, refunds)))
    order_days = [Fraction(now - each.event_time_unix_micros, DAY_MICROS) for each in purchases]
    seen_days = [Fraction(now - each.event_time_unix_micros, DAY_MICROS) for each in events]

    visits = visits_of(events)
    current = current_visit(visits, now, session_id)
    ended = [
        visit for visit in visits if visit is not current and (visit.evicted or visit.idle_micros(now) > IDLE_MICROS)
    ]
    bounced = [visit for visit in ended if len(visit.positions) == 1]
    positions = current.positions if current else []
    in_session = [events[position] for position in positions]
    views = [each for each in in_session if each.type == EventType.VIEW_ITEM]
    viewed = [item for each in views for item in each.items]
    prices = [money(item.price_micros) for item in viewed if item.price_micros]

    times = [each.event_time_unix_micros for each in in_session]
    gaps = [Fraction(after - before, MICROS) for before, after in pairwise(times)]
    types = [each.type.name for each in in_session]
    steps = [STEPS.get(name, 0) for name in types]
    products = [item.item_id for item in viewed]

    cart = cart_of(events)
    units = sum(line.quantity for line in cart.values())
    local = dt.datetime.fromtimestamp(now // MICROS, tz=ZoneInfo(feature_set.time_zone))
    news = [each for each in reversed(events) if each.type != EventType.REFUND]  # a refund is the shop's act
    country = next((each.country for each in news if each.country), "")
    exact = {
        "recency_days": min(order_days) if purchases else max(seen_days),
        "frequency": len(purchases),
        "monetary_value": spent,
        "avg_order_value": spent / len(purchases) if purchases else 0,
        "days_since_first_purchase": max(order_days, default=0),
        "page_views": sum(each.type == EventType.PAGE_VIEW for each in in_session),
        "product_views": sum(len(each.items) or 1 for each in views),
        "add_to_cart_events": sum(each.type == EventType.ADD_TO_CART for each in in_session),
        "unique_products_viewed": len({item.item_id for item in viewed}),
        "avg_product_price_viewed": sum(prices) / len(prices) if prices else 0,
        "bounce_rate": Fraction(len(bounced), len(ended)) if ended else 0,
        "cart_items_count": units,
        "avg_cart_item_price": cart_value(cart) / units if units else 0,
        "cart_categories_count": len({line.category for line in cart.values()} - {""}),
        "session_duration_minutes": (
            Fraction(now - in_session[0].event_time_unix_micros, MINUTE_MICROS) if in_session else 0
        ),
        "max_cart_value": max((cart_value(cart_of(events[: position + 1])) for position in positions), default=0),
        "hour_of_day": local.hour,
        "day_of_week": local.weekday(),
        "user_segment_encoded": segment(len(purchases), len(visits), min(order_days, default=Fraction(0))),
        "device_encoded": next((each.device for each in news if each.device), 0),
        "event_count": len(in_session),
        "cart_brands_count": len({line.brand for line in cart.values()} - {""}),
        "is_weekend": local.strftime("%a") in {"Sat", "Sun"},
        "is_business_hours": dt.time(9) <= local.time() < dt.time(17),
        "month": local.month,
        "quarter": {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3, 10: 4, 11: 4, 12: 4}[local.month],
        "country_encoded": {"FR": 1, "GB": 2}.get(country, 0),
        "session_searches": types.count("SEARCH"),
        "session_list_views": types.count("VIEW_ITEM_LIST"),
        "session_item_selections": types.count("SELECT_ITEM"),
        "session_wishlist_adds": types.count("ADD_TO_WISHLIST"),
        "session_cart_removals": types.count("REMOVE_FROM_CART"),
        "session_cart_views": types.count("VIEW_CART"),
        "session_checkouts": types.count("BEGIN_CHECKOUT"),
        "session_payment_infos": types.count("ADD_PAYMENT_INFO"),
        "session_purchases": types.count("PURCHASE"),
        "session_repeat_views": len(products) - len(set(products)),
        "product_view_share": Fraction(len(views), len(in_session)) if in_session else 0,
        "last_event_type": int(in_session[-1].type) if in_session else 0,
        "last_event_step": steps[-1] if steps else 0,
        "deepest_step": max(steps, default=0),
        "steps_reached": len({*steps} - {0}),
        "seconds_since_last_event": Fraction(now - times[-1], MICROS) if times else 0,
        "last_gap_seconds": gaps[-1] if gaps else 0,
        "longest_gap_seconds": max(gaps, default=0),
        "mean_gap_seconds": sum(gaps) / len(gaps) if gaps else 0,
    }
    return {name: float(value) for name, value in exact.items()}


@settings(deadline=None, max_examples=200)
@given(
    log=logs(in_order=True, huge=False),
    later_micros=st.sampled_from(
        (0, 0, 1, IDLE_MICROS, IDLE_MICROS, IDLE_MICROS + 1, DAY_MICROS, DAY_MICROS + 1, 90 * DAY_MICROS + 1)
    ),
    session_id=st.sampled_from((*SESSION_IDS, "no such session")),
)
def test_every_feature_is_what_its_definition_says(log, later_micros, session_id):
    now = log[-1].event_time_unix_micros + later_micros

    actual = featurize(fold_all(log), now, WITHOUT_HABITS, session_id=session_id)

    expected = expected_features(log, now, session_id, WITHOUT_HABITS)
    assert set(expected) == set(WITHOUT_HABITS.features)
    note(f"in a session: {expected['event_count'] > 0}")
    note(f"something in the cart: {expected['cart_items_count'] > 0}")
    ulps_apart = {
        name: (float(value), expected[name])
        for name, value in zip(WITHOUT_HABITS.features, actual, strict=True)
        if abs(value - np.float32(expected[name])) > abs(np.spacing(np.float32(expected[name])))
    }
    assert ulps_apart == {}
