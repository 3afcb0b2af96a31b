"""Purchases with one order id are one order, whether they are its lines or the same purchase sent twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import CORE, EventType, featurize
from presage_featurizer.state import MAX_ORDER_LINES, MAX_RECENT_ORDERS
from support.events import at, event, fold_all, item

PURCHASE, REFUND = EventType.PURCHASE, EventType.REFUND
MONEY = 1_000_000
LINES = [item("lamp", price=40.0), item("bulb", price=2.5, quantity=4), item("cable", price=7.0)]


def bought(minute, *items, order_id="o-1", **fields):
    return event(PURCHASE, minute, *items, order_id=order_id, **fields)


def orders_and_money(*events):
    state = fold_all(events)
    return state.orders, state.spent_micros / MONEY


def test_the_lines_of_an_export_are_one_order():
    whole = fold_all([bought(0, *LINES)])
    lines = fold_all([bought(0, line, event_id=line.item_id) for line in LINES])
    assert (lines.orders, lines.spent_micros) == (whole.orders, whole.spent_micros) == (1, 57 * MONEY)
    frequency, average = (CORE.features.index(name) for name in ("frequency", "avg_order_value"))
    assert featurize(lines, at(5), CORE)[[frequency, average]].tolist() == [1.0, 57.0]


@pytest.mark.parametrize(
    ("again", "money"),
    [
        (bought(3, *LINES), 57.0),
        (bought(3, value=57.0), 57.0),
        (bought(3, value=61.9), 61.9),  # with what it costs to send it
        (bought(3, value=50.0), 57.0),
        (bought(3, LINES[0]), 57.0),
        (bought(3, LINES[0], item("plug", price=3.0)), 60.0),
        (bought(3, item("plug", price=3.0)), 60.0),
    ],
    ids=[
        "the same",
        "its sum",
        "a larger sum",
        "a smaller sum",
        "one line",
        "one known line, one more",
        "one line more",
    ],
)
def test_the_same_order_sent_again_counts_once(again, money):
    assert orders_and_money(bought(0, *LINES), again) == (1, money)


def test_the_order_of_the_two_messages_does_not_matter():
    browser, payment = bought(0, *LINES), bought(3, value=61.9)
    assert orders_and_money(browser, payment) == orders_and_money(payment, browser) == (1, 61.9)


def test_lines_are_known_of_the_last_order_only():
    first, other = bought(0, *LINES), bought(1, value=5.0, order_id="o-2")
    assert orders_and_money(first, other, bought(3, *LINES)) == (2, 62.0)
    assert orders_and_money(first, other, bought(3, item("plug", price=3.0))) == (2, 62.0)
    state = fold_all([first, other, bought(3, LINES[0], order_id="o-3")])
    assert [bool(order.lines) for order in state.recent_orders] == [False, False, True]


def test_purchases_with_other_ids_or_none_are_orders_of_their_own():
    other = bought(3, *LINES, order_id="o-2")
    assert orders_and_money(bought(0, *LINES), other) == (2, 114.0)
    assert orders_and_money(*(bought(minute, *LINES, order_id="") for minute in (0, 3))) == (2, 114.0)


def test_a_repeated_purchase_leaves_the_new_cart_and_the_time_of_the_order_alone():
    new_cart = event(EventType.ADD_TO_CART, 2, item("rug", price=90.0))
    state = fold_all([bought(0, *LINES), new_cart, bought(3, value=57.0)])
    assert list(state.cart) == ["rug"]
    assert (state.first_order_unix_micros, state.last_order_unix_micros) == (at(0), at(0))


def test_a_refund_takes_no_more_than_its_order_brought():
    first, second = bought(0, value=40.0), bought(1, value=25.0, order_id="o-2")
    twice = [event(REFUND, minute, value=40.0, order_id="o-1") for minute in (5, 6)]
    assert orders_and_money(first, second, *twice) == (2, 25.0)
    unknown = event(REFUND, 5, value=40.0, order_id="o-9")
    assert orders_and_money(first, second, unknown) == (2, 25.0)
    without = event(REFUND, 5, value=70.0)
    assert orders_and_money(first, second, without) == (2, -5.0)


def test_only_recent_orders_are_recognised():
    later = [bought(number, value=1.0, order_id=f"later-{number}") for number in range(1, MAX_RECENT_ORDERS + 1)]
    assert orders_and_money(bought(0, value=1.0), *later[:-1], bought(50, value=1.0)) == (MAX_RECENT_ORDERS, 8.0)
    assert orders_and_money(bought(0, value=1.0), *later, bought(50, value=1.0)) == (MAX_RECENT_ORDERS + 2, 10.0)
    assert len(fold_all([bought(0, value=1.0), *later]).recent_orders) == MAX_RECENT_ORDERS


def test_an_order_with_more_lines_than_are_kept_counts_once_when_it_is_sent_again():
    lines = [item(f"item-{number}", price=1.0) for number in range(MAX_ORDER_LINES + 20)]
    assert orders_and_money(bought(0, *lines), bought(3, *lines)) == (1, len(lines))


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_lines_in_any_order_and_sent_again_give_the_whole_order(order, again):
    lines = [item(f"item-{number}", price=float(number + 1)) for number in range(6)]
    sent = [bought(minute, lines[number]) for minute, number in enumerate([*order, *again])]
    assert orders_and_money(*sent) == (1, 21.0)
