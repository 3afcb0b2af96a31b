from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer.ranking.placements import Exploration, Placement, candidates_of_rules
from support.shelves import Good, Shelf

MILLION = 1_000_000


class Added(NamedTuple):
    """Places of goods."""

    cheaper: list[int]
    exploration: list[int]
    popular: list[int]


def added(shelf, candidates, placement, *, k=2, budget=None, cart=0):
    rows = [int(shelf.rows[place]) if place < len(shelf) else place for place in candidates]
    found = candidates_of_rules(
        np.array(rows, np.int64), placement, shelf.items, k=k, budget_micros=budget, cart_micros=cart
    )
    return Added(*map(shelf.places_of, (found.cheaper, found.exploration, found.popular)))


def test_affordable_items_of_the_categories_that_exceed_the_budget():
    shelf = Shelf(
        [
            Good("a", price=90),
            Good("b", price=10),
            Good("a", price=20, views=1),
            Good("a", price=30, views=5),
            Good("a", price=10, stock=0, views=9),
            Good("a", price=80, views=9),
            Good("b", price=5, views=9),
            Good("a", price=25, views=3),
        ]
    )
    found = added(shelf, [0, 1], Placement(cheaper_alternatives=2), budget=60 * MILLION, cart=20 * MILLION)
    assert found.cheaper == [3, 7]
    assert not (found.popular)
    assert not (added(shelf, [0, 1], Placement(cheaper_alternatives=2)).cheaper)
    assert not (added(shelf, [0, 1], Placement(cheaper_alternatives=2), budget=1, cart=2).cheaper)
    # The second is among the candidates already, and an unknown candidate has no category.
    assert added(shelf, [0, 3, 8], Placement(cheaper_alternatives=1), budget=60 * MILLION).cheaper == [7]


def test_the_newest_items_for_slots_that_explore():
    shelf = Shelf(
        [Good(age_days=30), Good(age_days=3), Good(age_days=1), Good(age_days=2, blocked=True), Good(age_days=9)]
    )
    placement = Placement(exploration=Exploration(slots=(1,), max_age_days=7))
    assert added(shelf, [0, 4], placement).exploration == [2, 1]
    assert added(shelf, [0, 2], placement).exploration == [1]
    assert not (added(shelf, [0, 4], Placement(exploration=Exploration(slots=(1,)))).exploration)


def test_popular_items_where_too_few_may_be_shown():
    shelf = Shelf([Good(stock=0, views=9), Good(), Good(views=1), Good(views=2), Good(views=3, blocked=True)])
    assert added(shelf, [0, 1], Placement(), k=3).popular == [3, 2]
    assert added(shelf, [0, 1], Placement(), k=2).popular == [3]
    assert not (added(shelf, [0, 1], Placement(fill_up=False), k=3).popular)
    assert not (added(shelf, [0, 1], Placement(hide_out_of_stock=False), k=2).popular)


@given(
    st.lists(
        st.builds(
            Good,
            category=st.sampled_from(["", "a"]),
            price=st.integers(0, 9),
            stock=st.integers(-1, 1),
            age_days=st.integers(0, 9),
            views=st.integers(0, 3),
        ),
        max_size=10,
    ),
    st.data(),
)
def test_nothing_is_added_twice_or_that_may_not_be_shown(goods, data):
    shelf = Shelf(goods)
    candidates = data.draw(st.lists(st.integers(0, len(goods) + 2), unique=True))
    placement = Placement(cheaper_alternatives=2, exploration=Exploration(slots=(1,), max_age_days=5))
    found = added(shelf, candidates, placement, k=8, budget=5 * MILLION)
    rows = found.cheaper + found.exploration + found.popular
    assert len(set(rows)) == len(rows)
    assert not set(rows) & set(candidates)
    assert all(goods[row].stock != 0 for row in rows)
