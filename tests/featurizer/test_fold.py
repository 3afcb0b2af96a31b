from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from presage_featurizer import CORE, Device, EventType, decode_state, encode_state, featurize, fold
from presage_featurizer.digests import WIDTH, digest
from presage_featurizer.fold import begin, fold_in_place, fold_into, remember
from presage_featurizer.state import (
    MAX_CART_LINES,
    MAX_CATEGORY_INTERESTS,
    MAX_HISTORY_ITEMS,
    MAX_MONEY_MICROS,
    MAX_OPEN_SESSIONS,
    MAX_ORDER_LINES,
    MAX_QUANTITY,
    MAX_RECENT_EVENTS,
    MAX_RECENT_ORDERS,
    MAX_SESSION_ITEMS,
    MAX_VIEWED_PRODUCTS,
)
from support.events import (
    MAX_EVENT_ITEMS,
    MAX_ITEM_QUANTITY,
    SHOE,
    SOCK,
    STORY,
    any_log,
    at,
    event,
    fold_all,
    item,
    logs,
)

STRING_BYTES = 3 + 256
"""The longest string that the contract lets in, in msgpack."""
INT_BYTES = 9
CART_LINE_BYTES = STRING_BYTES + 1 + 2 * STRING_BYTES + 2 * INT_BYTES
SESSION_ITEMS_BYTES = 3 + MAX_SESSION_ITEMS * (WIDTH + 6)
SESSION_BYTES = 1 + STRING_BYTES + 9 * INT_BYTES + 3 + MAX_VIEWED_PRODUCTS * WIDTH + SESSION_ITEMS_BYTES
INTEREST_BYTES = 1 + 3 * INT_BYTES
HABITS_BYTES = (
    (1 + 5 * INT_BYTES + STRING_BYTES)
    + (3 + len(EventType) * (1 + INT_BYTES))
    + (3 + 7 * 24 * (2 + INT_BYTES))
    + (3 + MAX_VIEWED_PRODUCTS * WIDTH)
    + (3 + MAX_CATEGORY_INTERESTS * (STRING_BYTES + INTEREST_BYTES))
)
MAX_STATE_BYTES = (
    (5 + 1 + 9 * INT_BYTES + STRING_BYTES)
    + (1 + MAX_OPEN_SESSIONS * SESSION_BYTES)
    + (3 + MAX_CART_LINES * CART_LINE_BYTES)
    + (3 + MAX_RECENT_EVENTS * WIDTH)
    + 1
    + HABITS_BYTES
    + (1 + 4 * 3 + MAX_HISTORY_ITEMS * (WIDTH + 4 + 3 + 2))
    + (1 + MAX_RECENT_ORDERS * (1 + 2 + WIDTH + INT_BYTES + 3 + MAX_ORDER_LINES * WIDTH))
)


def assert_bounded(state):
    assert len(state.sessions) <= MAX_OPEN_SESSIONS
    assert len({session.session_id for session in state.sessions}) == len(state.sessions)
    assert len(state.cart) <= MAX_CART_LINES
    assert all(1 <= line.quantity <= MAX_QUANTITY for line in state.cart.values())
    assert len(state.recent_events) <= MAX_RECENT_EVENTS * WIDTH
    assert abs(state.spent_micros) <= MAX_MONEY_MICROS
    assert 0 <= state.bounced_sessions <= state.closed_sessions
    assert len(state.habits.viewed_products) <= MAX_VIEWED_PRODUCTS * WIDTH
    assert len(state.items.digests) <= MAX_HISTORY_ITEMS * WIDTH
    lengths = [len(getattr(state.items, name)) for name in ("digests", "scores", "times", "counts")]
    assert [4 * length for length in lengths] == [lengths[0] * factor for factor in (4, 2, 1.5, 1)]
    assert len(state.habits.categories) <= MAX_CATEGORY_INTERESTS
    for session in state.sessions:
        assert len(session.viewed_products) <= MAX_VIEWED_PRODUCTS * WIDTH
        assert session.start_unix_micros <= session.last_unix_micros
        assert session.viewed_price_micros <= MAX_MONEY_MICROS
        assert session.max_cart_value_micros <= MAX_MONEY_MICROS
    assert len(encode_state(state)) <= MAX_STATE_BYTES


@settings(deadline=None)
@given(any_log())
def test_fold_changes_neither_argument_and_repeats_itself(log):
    state = None
    for each in log:
        event_before = repr(each)
        state_before = state and encode_state(state)
        after = fold(state, each)
        again = fold(state, each)
        assert encode_state(after) == encode_state(again)
        assert (state and encode_state(state)) == state_before
        assert repr(each) == event_before
        state = after


@settings(deadline=None)
@given(any_log())
def test_folding_in_place_gives_the_state_that_fold_gives(log):
    pure, own = None, begin(log[0])
    for each in log:
        before, pure = pure, fold(pure, each)
        if pure is not before:
            remember(own, digest(each.event_id))
            session = fold_into(own, each)
            assert session is None or session is own.sessions[-1]
        assert encode_state(own) == encode_state(pure)


@settings(deadline=None)
@given(any_log())
def test_a_state_from_the_store_folds_and_featurizes_like_one_from_memory(log):
    in_memory = from_store = None
    for each in log:
        in_memory = fold(in_memory, each)
        from_store = decode_state(encode_state(fold(from_store, each)))
    assert from_store == in_memory
    assert encode_state(from_store) == encode_state(in_memory)
    now = log[-1].event_time_unix_micros
    assert featurize(from_store, now, CORE).tobytes() == featurize(in_memory, now, CORE).tobytes()


@settings(deadline=None)
@given(any_log())
def test_state_is_bounded(log):
    state = None
    for each in log:
        state = fold(state, each)
        assert_bounded(state)


def test_state_at_every_cap_is_within_the_bound():
    def long(name, number):
        return f"{name}-{number}".ljust(256, "x")

    state = None
    for number in range(300):
        items = tuple(
            item(long("p", 100 * number + k), price=1e9, quantity=10**6, category=long("c", k), brand=long("b", k))
            for k in range(100)
        )
        for event_type in (EventType.VIEW_ITEM, EventType.ADD_TO_CART):
            each = event(
                event_type, number / 100, *items[: 100 if number < 20 else 1], session_id=long("s", number % 4)
            )
            state = fold(state, each)
        if number % 30 == 0:  # the cart stays full, for these products are not in it
            lines = tuple(item(f"line-{k}", quantity=k + 1) for k in range(MAX_ORDER_LINES))
            state = fold(
                state,
                event(
                    EventType.PURCHASE,
                    number / 100,
                    *lines,
                    order_id=f"o-{number}",
                    session_id=long("s", number % 4),
                    value=1e12,
                ),
            )
    assert_bounded(state)
    assert [len(session.viewed_products) for session in state.sessions] == [MAX_VIEWED_PRODUCTS * WIDTH] * 4
    assert len(state.cart) == MAX_CART_LINES
    assert state.cart_saturated
    assert len(state.habits.categories) == 12  # of one event
    assert len(state.items.digests) == MAX_HISTORY_ITEMS * WIDTH
    assert len(state.recent_events) == MAX_RECENT_EVENTS * WIDTH
    assert len(encode_state(state)) > 0.9 * MAX_STATE_BYTES


def test_money_beyond_the_caps_still_encodes():
    dear = [item(f"p{k}", price=1e9, quantity=MAX_ITEM_QUANTITY) for k in range(MAX_EVENT_ITEMS)]
    log = [
        event(event_type, k, *dear) for k in range(12) for event_type in (EventType.VIEW_ITEM, EventType.ADD_TO_CART)
    ]

    state = fold_all(log)

    session = state.sessions[0]
    assert session.max_cart_value_micros == MAX_MONEY_MICROS
    assert session.viewed_price_micros == MAX_MONEY_MICROS
    assert session.viewed_price_micros / session.priced_views == dear[0].price_micros
    assert decode_state(encode_state(state)) == state


@settings(deadline=None)
@given(any_log())
def test_a_duplicate_returns_the_very_same_state(log):
    state = fold_all(log)
    for each in log:
        assert fold(state, each) is state


def test_ids_are_remembered_for_the_last_128_events():
    first, *others = [event(minutes=k) for k in range(MAX_RECENT_EVENTS + 1)]
    state = fold_all([first, *others[:-1]])
    assert fold(state, first) is state

    state = fold(state, others[-1])

    assert fold(state, others[0]) is state
    assert fold(state, first) is not state


@settings(deadline=None)
@given(logs(in_order=False, huge=False))
def test_profile_totals_do_not_depend_on_the_order_of_arrival(log):
    def totals(events):
        state = fold_all(events)
        return (
            state.first_seen_unix_micros,
            state.last_seen_unix_micros,
            state.orders,
            state.spent_micros,
            state.first_order_unix_micros,
            state.last_order_unix_micros,
            sorted(state.recent_events[k : k + WIDTH] for k in range(0, len(state.recent_events), WIDTH)),
        )

    distinct = list({each.event_id: each for each in log}.values())
    assert totals(reversed(distinct)) == totals(distinct)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (event(EventType.PAGE_VIEW), {"page_views": 1}),
        (event(EventType.VIEW_ITEM), {"product_views": 1}),
        (
            event(EventType.VIEW_ITEM, 0, SHOE, SOCK, SHOE, item("free")),
            {"product_views": 4, "priced_views": 3, "viewed_price_micros": 164_500_000},
        ),
        (event(EventType.ADD_TO_CART, 0, SHOE, SOCK), {"add_to_carts": 1, "max_cart_value_micros": 93_500_000}),
        (event(EventType.VIEW_ITEM_LIST, 0, SHOE, SOCK), {}),
        (event(EventType.RATE_ITEM, 0, SHOE, value=5.0), {}),
    ],
    ids=lambda value: value.type.name if hasattr(value, "type") else "",
)
def test_what_an_event_counts_in_its_session(each, expected):
    names = (
        "page_views",
        "product_views",
        "add_to_carts",
        "priced_views",
        "viewed_price_micros",
        "max_cart_value_micros",
    )

    session = fold(None, each).sessions[0]

    assert {name: getattr(session, name) for name in names} == dict.fromkeys(names, 0) | expected
    assert session.event_count == 1


def test_views_of_products_seen_before_are_counted_as_repeated():
    log = [event(EventType.VIEW_ITEM, 0, SHOE, SOCK), event(EventType.VIEW_ITEM, 1, SHOE, SHOE), event(minutes=2)]
    assert fold_all(log).sessions[0].repeat_views == 2


def test_distinct_products_are_told_apart_up_to_the_cap():
    items = [item(f"p{k}") for k in range(MAX_VIEWED_PRODUCTS + 5)]
    views = [event(EventType.VIEW_ITEM, 0, *items), event(EventType.VIEW_ITEM, 1, *items)]

    session = fold_all(views).sessions[0]

    assert len(session.viewed_products) == MAX_VIEWED_PRODUCTS * WIDTH
    assert session.product_views == 2 * len(items)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 93.5), (79.99, 79.99), (0.0, 0.0)], ids=["sum of items", "given", "given as 0"]
)
def test_a_purchase_is_worth_its_value_or_else_its_items(value, expected):
    state = fold(None, event(EventType.PURCHASE, 5, SHOE, SOCK, value=value))
    assert state.orders == 1
    assert state.spent_micros == round(expected * 1e6)
    assert (state.first_order_unix_micros, state.last_order_unix_micros) == (at(5), at(5))


def test_only_purchases_and_refunds_move_money():
    others = set(EventType) - {EventType.PURCHASE, EventType.REFUND}
    state = fold_all(event(event_type, 0, SHOE, value=3.0) for event_type in sorted(others))
    assert (state.orders, state.spent_micros) == (0, 0)


def test_refunds_are_taken_off_and_may_exceed_the_purchases_on_record():
    state = fold_all([event(EventType.PURCHASE, 0, value=50.0), event(EventType.REFUND, 1, SHOE)])
    assert (state.orders, state.spent_micros) == (1, -30_000_000)


def test_money_saturates_at_its_cap():
    purchases = [event(EventType.PURCHASE, k, value=1e12) for k in range(2)]
    assert fold_all(purchases).spent_micros == MAX_MONEY_MICROS
    refunds = [event(EventType.REFUND, k, value=1e12) for k in range(2)]
    assert fold_all(refunds).spent_micros == -MAX_MONEY_MICROS


def test_a_purchase_takes_its_items_out_of_the_cart():
    state = fold_all([event(EventType.ADD_TO_CART, 0, SHOE, SOCK), event(EventType.PURCHASE, 1, item("sock"))])
    assert {name: line.quantity for name, line in state.cart.items()} == {"shoe": 1, "sock": 2}


def test_a_purchase_that_names_no_items_empties_the_cart():
    state = fold_all([event(EventType.ADD_TO_CART, 0, SHOE, SOCK), event(EventType.PURCHASE, 1, value=9.0)])
    assert state.cart == {}


def test_the_largest_cart_value_outlives_the_cart():
    state = fold_all([event(EventType.ADD_TO_CART, 0, SHOE), event(EventType.REMOVE_FROM_CART, 1, SHOE)])
    assert state.cart == {}
    assert state.sessions[0].max_cart_value_micros == SHOE.price_micros


def test_a_cart_from_an_earlier_session_counts_in_the_next():
    state = fold_all([event(EventType.ADD_TO_CART, 0, SHOE), event(EventType.PAGE_VIEW, 600)])
    assert state.sessions[0].start_unix_micros == at(600)
    assert state.sessions[0].max_cart_value_micros == SHOE.price_micros


def test_a_refund_says_nothing_of_device_and_country():
    state = fold(None, event(minutes=0, country="GB", device=Device.MOBILE))

    state = fold(state, event(EventType.REFUND, 1, country="FR", device=Device.DESKTOP))

    assert (state.country, state.device) == ("GB", Device.MOBILE)


def test_device_and_country_are_the_last_known_by_event_time():
    state = fold_all(
        [
            event(minutes=0, country="GB", device=Device.MOBILE),
            event(minutes=10),
            event(minutes=5, country="FR", device=Device.DESKTOP),
        ]
    )
    assert (state.country, state.device) == ("GB", Device.MOBILE)

    state = fold(state, event(minutes=11, country="DE", device=Device.TABLET))

    assert (state.country, state.device) == ("DE", Device.TABLET)


def test_a_late_purchase_can_be_the_first_but_not_the_last():
    state = fold_all([event(EventType.PURCHASE, 1000), event(EventType.PURCHASE, 0)])
    assert (state.first_seen_unix_micros, state.last_seen_unix_micros) == (at(0), at(1000))
    assert (state.first_order_unix_micros, state.last_order_unix_micros) == (at(0), at(1000))


def test_state_does_not_depend_on_the_hash_seed():
    script = (
        "from support.events import *; from presage_featurizer import *; print(encode_state(fold_all(STORY)).hex())"
    )
    tests = str(Path(__file__).parents[1])

    def run(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": tests}
        return subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    here = encode_state(fold_all(STORY)).hex()
    assert (run("1"), run("2")) == (here, here)


@settings(deadline=None)
@given(any_log())
def test_folding_in_place_gives_the_same_states(log):
    state, held = None, None
    for each in log:
        folded = fold(state, each)
        if held is None:
            held = begin(each)
        assert fold_in_place(held, each) == (folded is not state)
        assert held == folded
        state = folded
