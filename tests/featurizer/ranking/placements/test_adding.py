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
    # Nothing is left: cheaper than the first candidate of the category is what counts.
    for budget, cart in ((1, 2), (0, 0), (60 * MILLION, 60 * MILLION)):
        beyond = added(shelf, [0, 1], Placement(cheaper_alternatives=2), budget=budget, cart=cart)
        assert beyond.cheaper == [5, 3, 6]
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
    assert added(shelf, [0], Placement(), k=9).popular == [3, 2, 1]
    assert added(shelf, [0, 1], Placement(), k=2).popular == [3]
    assert not (added(shelf, [0, 1], Placement(fill_up=False), k=3).popular)
    assert not (added(shelf, [0, 1], Placement(hide_out_of_stock=False), k=2).popular)


def test_after_the_popular_items_come_the_newest_then_those_with_the_lower_digests():
    ages = [9, 3, 7, 3, 3, 1]
    shelf = Shelf([Good(age_days=age) for age in ages] + [Good(views=1), Good(views=2)])
    others = sorted(range(len(ages)), key=lambda place: (ages[place], shelf.digests[place]))
    assert added(shelf, [], Placement(), k=20).popular == [7, 6, *others]
    assert shelf.places_of(shelf.items.summary.newest) == [
        *others, *sorted((6, 7), key=lambda place: shelf.digests[place])
    ]  # fmt: skip


def test_only_items_that_the_caller_wants_are_added():
    goods = [Good("a", price=90), *[Good("a", price=1 + place, views=place, age_days=2) for place in range(600)]]
    shelf = Shelf(goods)
    wanted = shelf.rows[1::7]
    placement = Placement(cheaper_alternatives=3, exploration=Exploration(slots=(1,), max_age_days=7))
    found = candidates_of_rules(
        shelf.rows[:1],
        placement,
        shelf.items,
        k=80,
        budget_micros=MILLION * 500,
        cart_micros=MILLION * 450,
        fits=lambda rows: np.isin(rows, wanted),
    )
    rows = np.concatenate([found.cheaper, found.exploration, found.popular])
    assert np.isin(rows, wanted).all()
    assert len(found.popular) == 80 - 1 - len(found.cheaper) - len(found.exploration) > 20
    popular = [place for place in range(600, 0, -1) if shelf.rows[place] in set(wanted.tolist())]
    assert (
        shelf.places_of(found.popular)
        == [place for place in popular if shelf.rows[place] not in set(rows[: -len(found.popular)].tolist())][
            : len(found.popular)
        ]
    )


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
