"""The features of habits, against a plain count over the events."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from math import log2
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import CATALOGUE, CORE, FEATURE_SETS, MICROS, Event, EventType, encode_state, featurize, fold
from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.fold import begin, fold_into
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.shipped_sets import BEHAVIOR
from presage_featurizer.state import MAX_CATEGORY_INTERESTS
from support.events import DAY_MICROS, any_log, at, event, fold_all, item, logs

WEEK_MICROS = 7 * DAY_MICROS
IN_ADELAIDE = FeatureSet(
    name="behavior-adelaide", features=BEHAVIOR.features, time_zone="Australia/Adelaide", countries=("GB",)
)


def behavior(state, now_unix_micros, feature_set=BEHAVIOR) -> dict[str, float]:
    return dict(zip(feature_set.features, featurize(state, now_unix_micros, feature_set).tolist(), strict=True))


def expected_features(log: list[Event], now: int, time_zone: str) -> dict[str, float]:
    """Compute what can be counted plainly, straight from the meanings in the catalogue."""
    first_of_each: dict[str, Event] = {}
    for each in log:
        first_of_each.setdefault(each.event_id, each)
    log = list(first_of_each.values())
    own = [each for each in log if each.type != EventType.REFUND]
    count = Counter(each.type for each in own)
    views = [it for each in own if each.type == EventType.VIEW_ITEM for it in each.items]
    dealt = [it for each in own if each.type in EVENT_WEIGHTS for it in each.items]
    categories = Counter(it.category for it in dealt if it.category)
    first = min(each.event_time_unix_micros for each in log)
    last = max(each.event_time_unix_micros for each in log)
    zone, year = ZoneInfo(time_zone), dt.datetime.fromtimestamp(last // MICROS, tz=dt.UTC).year
    winter, summer = (
        dt.datetime(year, month, 15, tzinfo=zone).utcoffset() // dt.timedelta(hours=1) for month in (1, 7)
    )
    utc = [dt.datetime.fromtimestamp(each.event_time_unix_micros // MICROS, tz=dt.UTC) for each in own]
    local = [moment + dt.timedelta(hours=summer if 4 <= moment.month <= 10 else winter) for moment in utc]

    def rate(part: EventType, whole: EventType) -> float:
        return min(1.0, count[part] / count[whole]) if count[whole] else 0.0

    def peak(values: list[int]) -> float:
        counts = Counter(values)
        return min((value for value in counts if counts[value] == max(counts.values())), default=-1)

    weight = sum(EVENT_WEIGHTS.get(each.type, 0.0) for each in own)
    shares = [number / categories.total() for number in categories.values()]
    prices = [it.price_micros for it in views if it.price_micros]
    last_dealt = [each.items[-1] for each in own if each.type in EVENT_WEIGHTS and each.items][-1:]
    return {
        "total_events": len(own),
        "unique_products": len({it.item_id for it in views}),
        "events_per_day": len(own) / max(1.0, (now - first) / DAY_MICROS),
        "cart_adds": count[EventType.ADD_TO_CART],
        "searches": count[EventType.SEARCH],
        "wishlist_adds": count[EventType.ADD_TO_WISHLIST],
        "group_views": count[EventType.GROUP_VIEW],
        "group_joins": count[EventType.GROUP_JOIN],
        "view_to_cart_rate": rate(EventType.ADD_TO_CART, EventType.VIEW_ITEM),
        "cart_to_checkout_rate": rate(EventType.BEGIN_CHECKOUT, EventType.ADD_TO_CART),
        "checkout_to_purchase_rate": rate(EventType.PURCHASE, EventType.BEGIN_CHECKOUT),
        "overall_conversion_rate": rate(EventType.PURCHASE, EventType.VIEW_ITEM),
        "peak_activity_hour": peak([moment.hour for moment in local]),
        "peak_activity_day": peak([moment.weekday() for moment in local]),
        "is_weekend_shopper": 2 * sum(moment.weekday() >= 5 for moment in local) > len(local),
        "category_diversity": max(0.0, -sum(share * log2(share) for share in shares)),
        "categories_explored": len(categories),
        "top_category_share": max(shares, default=0.0),
        "days_since_last_event": (now - last) / DAY_MICROS,
        "engagement_score": weight / (weight + 50) if weight > 0 else 0.0,
        "repeat_view_rate": 1 - len({it.item_id for it in views}) / len(views) if views else 0.0,
        "price_vs_user_average": last_dealt[0].price_micros * len(prices) / sum(prices)
        if last_dealt and prices
        else 0.0,
    }


@settings(deadline=None, max_examples=150)
@given(log=logs(in_order=True, huge=False))
@pytest.mark.parametrize("feature_set", [BEHAVIOR, IN_ADELAIDE], ids=["utc", "half-hour zone"])
def test_every_count_is_what_the_events_say(feature_set, log):
    now = log[-1].event_time_unix_micros + 3 * DAY_MICROS

    actual = behavior(fold_all(log), now, feature_set)

    expected = expected_features(log, now, feature_set.time_zone)
    different = {
        name: (actual[name], value)
        for name, value in expected.items()
        if not np.isclose(np.float32(actual[name]), np.float32(value), rtol=1e-6, atol=1e-7)
    }
    assert different == {}


IN_BERLIN = FeatureSet(name="behavior-berlin", features=BEHAVIOR.features, time_zone="Europe/Berlin", countries=("DE",))
BERLIN = ZoneInfo("Europe/Berlin")
"""Its clocks go forward on 2026-03-29 and back on 2026-10-25."""


def evenings(*days: str) -> list[Event]:
    """Make three events at 20:15 in Berlin on each day."""
    moments = [dt.datetime.fromisoformat(f"{day}T20:15").replace(tzinfo=BERLIN) for day in days]
    return [
        Event(
            user_id="u",
            event_id=f"{moment} {number}",
            type=EventType.PAGE_VIEW,
            event_time_unix_micros=int(moment.timestamp()) * MICROS,
        )
        for moment in moments
        for number in range(3)
    ]


@pytest.mark.parametrize("asked_on", ["2026-02-10", "2026-07-10", "2026-12-10"])
@pytest.mark.parametrize(
    "days",
    [
        ("2026-01-05", "2026-01-12", "2026-02-02"),  # Mondays, in winter
        ("2026-06-01", "2026-06-08", "2026-07-06"),  # in summer
        ("2026-01-05", "2026-01-12", "2026-02-02", "2026-02-09", "2026-03-30"),  # mostly in winter
    ],
)
def test_hours_do_not_move_when_the_clocks_change(days, asked_on):
    now = int(dt.datetime.fromisoformat(f"{asked_on}T12:00+00:00").timestamp()) * MICROS
    features = behavior(fold_all(evenings(*days)), now, IN_BERLIN)

    assert (features["peak_activity_hour"], features["peak_activity_day"]) == (20, 0)
    assert features["is_weekend_shopper"] == 0


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Tokyo"])
@given(days=st.lists(st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)), min_size=1, max_size=40))
def test_hours_of_all_seasons_are_those_of_the_local_clock(zone, days):
    """Except in the weeks between a change of the clocks and the end of its month."""
    days = [day for day in days if day.month not in {3, 4, 10, 11}] or [dt.date(2026, 1, 5)]
    moments = [dt.datetime.combine(day, dt.time(20, 30), ZoneInfo(zone)) for day in days]
    state = fold_all(
        [
            Event(
                user_id="u",
                event_id=str(number),
                type=EventType.PAGE_VIEW,
                event_time_unix_micros=int(moment.timestamp()) * MICROS,
            )
            for number, moment in enumerate(sorted(moments))
        ]
    )

    features = behavior(state, state.last_seen_unix_micros, dataclasses.replace(IN_BERLIN, time_zone=zone))

    weekdays = Counter(day.weekday() for day in days)
    assert features["peak_activity_hour"] == 20
    assert features["peak_activity_day"] == min(weekdays, key=lambda day: (-weekdays[day], day))


def test_the_meaning_of_hours_has_a_version_of_its_own():
    assert {CATALOGUE[name].version for name in ("peak_activity_hour", "peak_activity_day", "is_weekend_shopper")} == {
        2
    }


def test_interest_adds_up_and_halves_every_week():
    shoe = item("shoe", category="shoes")
    state = fold_all([event(EventType.VIEW_ITEM, 0, shoe), event(EventType.ADD_TO_CART, 0, shoe)])

    at_once, a_week_on = behavior(state, at(0)), behavior(state, at(0) + WEEK_MICROS)

    assert at_once["category_affinity"] == np.float32(5 * 8 / 18)
    assert at_once["item_affinity"] == pytest.approx(5 * 8 / 18, rel=1e-6)
    assert a_week_on["category_affinity"] == np.float32(5 * 4 / 14)
    assert a_week_on["item_affinity"] < at_once["item_affinity"]
    assert (at_once["recency_score"], a_week_on["recency_score"]) == (1.0, 0.5)


def test_dislike_is_no_affinity():
    state = fold_all([event(EventType.REMOVE_FROM_CART, 0, item("shoe", category="shoes"))])

    assert behavior(state, at(0))["item_affinity"] == 0.0
    assert behavior(state, at(0))["engagement_score"] == 0.0


def test_affinity_is_that_of_the_product_last_dealt_with_by_event_time():
    shoe, hat = item("shoe", category="shoes"), item("hat", category="hats")
    state = fold_all([event(EventType.PURCHASE, 5, shoe), event(EventType.VIEW_ITEM, 0, hat)])

    assert behavior(state, at(5))["category_affinity"] == np.float32(5 * 10 / 20)


def test_a_list_shown_to_the_visitor_is_no_interest():
    shown = [item(f"p-{number}", category=f"c-{number}") for number in range(5)]
    state = fold_all([event(EventType.VIEW_ITEM_LIST, 0, *shown)])

    assert behavior(state, at(0))["categories_explored"] == 0


def test_beyond_the_cap_the_interest_that_is_oldest_goes():
    views = [event(EventType.VIEW_ITEM, number, item(f"p-{number}", category=f"c-{number}")) for number in range(40)]
    state = fold_all(views)

    assert list(state.habits.categories) == [f"c-{number}" for number in range(40 - MAX_CATEGORY_INTERESTS, 40)]


def test_a_refund_is_no_habit():
    state = fold_all([event(EventType.VIEW_ITEM, 0, item("shoe"))])

    assert fold(state, event(EventType.REFUND, 1, value=5.0)).habits == state.habits


@settings(deadline=None)
@given(log=any_log())
def test_without_habits_all_other_features_are_the_same(log):
    whole, lean = fold_all(log[:1]), begin(log[0])
    fold_into(lean, log[0], frozenset())
    for each in log[1:]:
        before, whole = whole, fold(whole, each)
        if whole is not before:
            fold_into(lean, each, frozenset())
    now = log[-1].event_time_unix_micros

    assert featurize(lean, now, CORE).tobytes() == featurize(whole, now, CORE).tobytes()
    assert {name for name, feature_set in FEATURE_SETS.items() if feature_set.needs} == {"behavior"}


def test_folding_leaves_the_habits_before_alone():
    before = fold_all([event(EventType.VIEW_ITEM, 0, item("shoe", category="shoes"))])
    encoded = encode_state(before)

    fold(before, event(EventType.VIEW_ITEM, 1, item("hat", category="hats")))

    assert encode_state(before) == encoded
