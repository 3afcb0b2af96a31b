from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.errors import RequestError
from presage_console.shop.clicks import apply, describe, is_possible, parse_click
from presage_console.shop.products import read_shelf
from presage_console.shop.visits import Visit, Visits

PAGE = "0123456789abcdef"
SHELF = read_shelf()


def click(do, text="", page=PAGE):
    return parse_click({"request": page, "do": do, "text": text}, SHELF)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"do": "pay"}, "request: expected"),
        ({"request": "<script>", "do": "pay"}, "request: expected"),
        ({"request": PAGE}, "do: expected something"),
        ({"request": PAGE, "do": "steal"}, "do: expected something"),
        ({"request": PAGE, "do": "look:yacht"}, "do: expected a product"),
        ({"request": PAGE, "do": "category:yachts"}, "category: expected"),
        ({"request": PAGE, "do": "budget", "text": "much"}, "budget: expected a number"),
        ({"request": PAGE, "do": "budget", "text": f"0.{'0' * 56}1e5"}, "budget: expected a number"),
        ({"request": PAGE, "do": "budget", "text": "nan"}, "budget: expected 0 to 100,000"),
        ({"request": PAGE, "do": "budget", "text": "-1"}, "budget: expected 0 to 100,000"),
    ],
)
def test_what_no_page_sends_is_rejected(form, message):
    with pytest.raises(RequestError, match=message):
        parse_click(form, SHELF)


@given(
    st.fixed_dictionaries(
        {}, optional={"request": st.text(max_size=20), "do": st.text(max_size=20), "text": st.text(max_size=80)}
    )
)
def test_any_form_is_a_click_or_a_request_error(form):
    visit = Visit(visitor_id="v")
    with suppress(RequestError):
        made = parse_click({"request": PAGE} | form, SHELF)
        if is_possible(visit, made):
            apply(visit, made)


def test_two_buttons_of_a_page_are_two_clicks_and_one_button_is_one():
    ids = [click(do).request_id for do in ("look:lamp-dune", "look:lamp-peg", "add:lamp-dune", "look:lamp-dune")]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]


@given(
    st.lists(st.sampled_from(["add:lamp-dune", "remove:lamp-dune", "add:desk-note", "remove:desk-note", "check-out"]))
)
def test_a_cart_is_worth_what_lies_in_it(actions):
    visit, expected, is_checking_out = Visit(visitor_id="v", budget=30.0), {"lamp-dune": 0, "desk-note": 0}, False
    for number, do in enumerate(actions):
        action, _, item = do.partition(":")
        allowed = {"add": expected.get(item, 0) < 9, "remove": expected.get(item, 0) > 0}
        done = click(do, page=f"{number:016x}")
        assert is_possible(visit, done) == allowed.get(action, any(expected.values()))
        if is_possible(visit, done):
            apply(visit, done)
            is_checking_out = action == "check-out"
            if item:
                expected[item] += 1 if action == "add" else -1
    assert {item: line.quantity for item, line in visit.cart.items()} == {k: v for k, v in expected.items() if v}
    value = sum(SHELF.products[item].price * count for item, count in expected.items())
    assert visit.cart_value == pytest.approx(value)
    assert visit.left_of_budget == pytest.approx(max(0.0, 30.0 - value))
    assert visit.is_checking_out == is_checking_out


def test_paying_empties_the_cart_and_a_search_leaves_the_category():
    visit = Visit(visitor_id="v")
    for do in ("category:lamps", "add:lamp-dune", "check-out", "pay"):
        apply(visit, click(do))
    assert (visit.orders, visit.cart, visit.category) == (1, {}, "lamps")
    apply(visit, click("search", "  red   mug "))
    assert (visit.words, visit.category) == ("red mug", "")
    assert describe(click("budget", "60")) == "set a budget of 60 €"


def test_the_visitor_who_was_away_for_longest_is_forgotten_and_strange_ids_are_nobody():
    numbers = iter(range(10))
    visits = Visits(2, lambda: f"v{next(numbers)}")
    first, second = visits.begin(), visits.begin()
    assert visits.find("v0") is first
    visits.begin()
    assert visits.find("v1") is None, "the first was here since"
    assert visits.find("v0") is first
    assert visits.find("somebody-elses-visitor") is None
    assert second.visitor_id == "v1"
