from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training.simulator.world import DAY_MICROS, SEED, START_UNIX_MICROS, VISITORS

from presage_featurizer.events import MICROS, Device, EventType
from presage_training.simulator import Shop, create_visitor, simulate

SESSION_GAP_MICROS = 30 * 60 * MICROS


def digest(events) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(events)).hexdigest()


def has(visit, event_type) -> bool:
    return any(event.type is event_type for event in visit)


def conversion(visits) -> float:
    return np.mean([has(visit, EventType.PURCHASE) for visit in visits])


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_simulates_the_same_events(hash_seed):
    program = (
        "import hashlib, msgspec; from presage_training.simulator import simulate;"
        f"events = simulate(seed=5, visitors=60, start_unix_micros={START_UNIX_MICROS}, days=9);"
        "print(hashlib.sha256(msgspec.msgpack.encode(events)).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == digest(simulate(seed=5, visitors=60, start_unix_micros=START_UNIX_MICROS, days=9))


def test_searches_say_what_they_were_for(events):
    hits = {category: float(len(products)) for category, products in Shop.create(seed=SEED).products.items()}
    searches = [event for event in events if event.type is EventType.SEARCH]

    assert {event.labels["term"] for event in searches} == set(hits)
    assert all(event.numbers == {"hits": hits[event.labels["term"]]} for event in searches)
    assert not any(event.numbers or event.labels for event in events if event.type is not EventType.SEARCH)


def test_another_seed_simulates_other_events():
    first, second = (simulate(seed=seed, visitors=20, start_unix_micros=START_UNIX_MICROS) for seed in (1, 2))

    assert not {event.event_id for event in first} & {event.event_id for event in second}
    assert [event.type for event in first] != [event.type for event in second]


def test_without_session_ids_nothing_else_differs(events):
    anonymous = simulate(seed=SEED, visitors=VISITORS, start_unix_micros=START_UNIX_MICROS, session_ids=False)

    assert {event.session_id for event in anonymous} == {""}
    assert anonymous == [msgspec.structs.replace(event, session_id="") for event in events]


def test_events_are_in_the_order_of_time_and_ids_are_unique(events):
    order = [(event.event_time_unix_micros, event.user_id) for event in events]

    assert order == sorted(order)
    assert len({event.event_id for event in events}) == len(events)
    assert min(order)[0] >= START_UNIX_MICROS
    assert max(order)[0] < START_UNIX_MICROS + 31 * DAY_MICROS


def test_idle_minutes_alone_tell_the_visits_apart(events):
    visits = defaultdict(list)
    for event in events:
        visits[event.user_id].append((event.event_time_unix_micros, event.session_id))

    for visitor_events in visits.values():
        for (time, session_id), (next_time, next_session_id) in pairwise(visitor_events):
            assert next_time > time
            assert (next_time - time > SESSION_GAP_MICROS) == (session_id != next_session_id)
            assert next_time - time != SESSION_GAP_MICROS


def test_every_event_type_occurs(events):
    assert {event.type for event in events} == set(EventType) - {EventType.UNSPECIFIED}


def test_everyone_comes_and_most_come_again(sessions):
    visits = Counter(visit[0].user_id for visit in sessions)

    assert len(visits) == VISITORS
    assert np.mean([count > 1 for count in visits.values()]) > 0.6


def test_visits_convert_and_bounce_as_in_a_real_shop(sessions):
    assert 0.03 < conversion(sessions) < 0.08
    assert 0.25 < np.mean([len(visit) == 1 for visit in sessions]) < 0.5


def test_carts_hold_what_orders_take_and_removals_find(events):
    carts = defaultdict(Counter)
    for event in events:
        cart = carts[event.user_id]
        units = {item.item_id: item.quantity for item in event.items}
        match event.type:
            case EventType.ADD_TO_CART:
                cart.update(units)
            case EventType.REMOVE_FROM_CART:
                cart.subtract(units)
                assert min(cart.values()) >= 0
            case EventType.BEGIN_CHECKOUT | EventType.ADD_PAYMENT_INFO:
                assert units == +cart
            case EventType.PURCHASE:
                assert units == +cart
                assert event.value_micros == sum(item.price_micros * item.quantity for item in event.items)
                assert event.currency == "EUR"
                cart.clear()


def test_refunds_and_ratings_follow_orders_of_the_same_visitor(events):
    orders, bought, refunds = {}, defaultdict(set), 0
    for event in events:
        match event.type:
            case EventType.PURCHASE:
                orders[event.order_id] = event
                bought[event.user_id].update(item.item_id for item in event.items)
            case EventType.REFUND:
                order = orders[event.order_id]
                refunds += 1
                assert event.user_id == order.user_id
                assert set(event.items) <= set(order.items)
                assert 0 < event.value_micros <= order.value_micros
                assert event.event_time_unix_micros - order.event_time_unix_micros > DAY_MICROS
            case EventType.RATE_ITEM:
                assert event.items[0].item_id in bought[event.user_id]
                assert event.value_micros in {stars * MICROS for stars in range(1, 6)}
    assert refunds > 0
    assert len(orders) == sum(event.type is EventType.PURCHASE for event in events)


def test_group_leaves_and_wish_list_removals_find_what_they_remove(events):
    groups, wishes = defaultdict(list), defaultdict(list)
    for event in events:
        match event.type:
            case EventType.GROUP_JOIN:
                groups[event.user_id].append(event.items[0].item_id)
            case EventType.GROUP_LEAVE:
                groups[event.user_id].remove(event.items[0].item_id)
            case EventType.ADD_TO_WISHLIST:
                wishes[event.user_id].append(event.items[0].item_id)
            case EventType.REMOVE_FROM_WISHLIST:
                wishes[event.user_id].remove(event.items[0].item_id)


def test_items_are_those_of_the_shop(events):
    shop = Shop.create(seed=SEED)
    sold = {product.item for products in shop.products.values() for product in products}

    assert {msgspec.structs.replace(item, quantity=1) for event in events for item in event.items} <= sold


def test_visitors_keep_a_country_and_mostly_a_device(events):
    countries, devices = defaultdict(set), defaultdict(Counter)
    for event in events:
        countries[event.user_id].add(event.country)
        devices[event.user_id][event.device] += 1

    assert {len(codes) for codes in countries.values()} == {1}
    assert Device.UNSPECIFIED not in set().union(*devices.values())
    assert np.mean([max(count.values()) / sum(count.values()) for count in devices.values()]) > 0.8


def test_evenings_are_busier_than_nights(sessions):
    hours = Counter(visit[0].event_time_unix_micros % DAY_MICROS // (3600 * MICROS) for visit in sessions)

    assert sum(hours[hour] for hour in range(18, 23)) > 5 * sum(hours[hour] for hour in range(5))


def test_weekends_are_busier_than_weekdays(sessions):
    days = Counter((visit[0].event_time_unix_micros // DAY_MICROS + 3) % 7 for visit in sessions)  # Monday = 0
    # Thirty days from a Wednesday on hold four of each weekday, and a fifth Wednesday and Thursday.
    assert (days[5] + days[6]) / 8 > 1.15 * (days[0] + days[1] + days[4]) / 12


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(-5, 2**40),
    visitors=st.integers(0, 8),
    days=st.integers(1, 3),
    start_unix_micros=st.integers(1, 4_000_000_000 * MICROS),
)
def test_any_start_gives_visits_that_begin_within_the_days(seed, visitors, days, start_unix_micros):
    events = simulate(seed=seed, visitors=visitors, start_unix_micros=start_unix_micros, days=days)

    starts = {}
    for event in events:
        starts.setdefault(event.session_id, event.event_time_unix_micros)
    assert len({event.user_id for event in events}) == visitors
    assert all(start_unix_micros <= start < start_unix_micros + days * DAY_MICROS for start in starts.values())


@pytest.mark.parametrize("argument", [{"visitors": -1}, {"days": 0}, {"start_unix_micros": 0}])
def test_an_argument_out_of_range_is_named(argument):
    [name] = argument
    with pytest.raises(ValueError, match=name):
        simulate(**({"seed": 1, "visitors": 1, "start_unix_micros": START_UNIX_MICROS} | argument))


def test_a_visitor_is_described_by_its_id():
    events = simulate(seed=3, visitors=2, start_unix_micros=START_UNIX_MICROS)

    assert {event.user_id for event in events} == {create_visitor(seed=3, index=index).user_id for index in range(2)}
