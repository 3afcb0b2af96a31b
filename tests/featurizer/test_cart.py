from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer.cart import add_items, cart_value_micros, remove_items
from presage_featurizer.state import MAX_CART_LINES, MAX_QUANTITY, CartLine
from support.events import SHOE, SOCK, item

SHOE_LINE = CartLine("shoes", "acme", 80_000_000, 1)


def test_added_items_become_lines():
    cart, left_out = add_items({}, [SHOE, SOCK])
    assert cart == {"shoe": SHOE_LINE, "sock": CartLine("socks", "acme", 4_500_000, 3)}
    assert not left_out


def test_adding_again_gains_units_and_keeps_what_the_event_does_not_know():
    cart, _ = add_items({"shoe": SHOE_LINE}, [item("shoe", quantity=2)])
    assert cart == {"shoe": CartLine("shoes", "acme", 80_000_000, 3)}


def test_adding_again_takes_over_what_the_event_knows():
    cart, _ = add_items({"shoe": SHOE_LINE}, [item("shoe", price=60.0, category="sale", brand="new")])
    assert cart == {"shoe": CartLine("sale", "new", 60_000_000, 2)}


def test_removing_takes_units_then_the_line():
    cart = {"shoe": CartLine("shoes", "acme", 80_000_000, 3)}
    assert remove_items(cart, [item("shoe", quantity=2)]) == {"shoe": SHOE_LINE}
    assert remove_items(cart, [item("shoe", quantity=3)]) == {}


@pytest.mark.parametrize("gone", [item("hat"), item("shoe", quantity=9)], ids=["not there", "more than there are"])
def test_removing_too_much_takes_out_what_there_is(gone):
    assert remove_items({"shoe": SHOE_LINE}, [gone]) == ({"shoe": SHOE_LINE} if gone.item_id == "hat" else {})


def test_a_full_cart_leaves_new_products_out_but_still_gains_units():
    full, left_out = add_items({}, [item(f"p{k}") for k in range(MAX_CART_LINES)])
    assert not left_out

    more, left_out = add_items(full, [item("one too many"), item("p0")])

    assert left_out
    assert list(more) == list(full)
    assert more["p0"].quantity == 2


def test_units_of_a_line_saturate():
    cart, _ = add_items({}, [item(quantity=MAX_QUANTITY + 1)])
    assert cart["shoe"].quantity == MAX_QUANTITY
    cart, _ = add_items(cart, [item()])
    assert cart["shoe"].quantity == MAX_QUANTITY


def test_value_is_price_times_quantity():
    cart, _ = add_items({}, [SHOE, SOCK])
    assert cart_value_micros(cart) == 80_000_000 + 3 * 4_500_000
    assert cart_value_micros({}) == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(1, 5)), max_size=30),
)
def test_quantities_are_those_of_a_multiset_and_no_cart_is_changed(steps):
    expected = Counter()
    cart = {}
    for adding, name, quantity in steps:
        before = dict(cart)
        change = [item(name, quantity=quantity)]
        after = add_items(cart, change)[0] if adding else remove_items(cart, change)
        expected = expected + Counter({name: quantity}) if adding else expected - Counter({name: quantity})
        assert {key: line.quantity for key, line in after.items()} == dict(expected)
        assert cart == before
        cart = after
