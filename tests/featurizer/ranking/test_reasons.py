"""Reasons: the codes that hold, the strongest first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import EventType
from presage_featurizer.ranking.item_features import FAR
from presage_featurizer.ranking.pairs import PAIR_FEATURES, pair_features
from presage_featurizer.ranking.reasons import MAX_REASONS, REASONS, reasons
from tests.support.small_shops import a_visitor, small_shop

NOTHING = {"session_rank": -1.0, "price_to_newest": -1.0, "popularity_rank": FAR, "known_days": 100.0}


def rows_of(*changes: dict[str, float]):
    rows = [[{**NOTHING, **change}.get(name, 0.0) for name in PAIR_FEATURES] for change in changes]
    return np.array(rows, np.float32).reshape(-1, len(PAIR_FEATURES))


def test_nothing_is_said_where_nothing_holds():
    assert reasons(rows_of({})) == [()]
    assert reasons(rows_of()) == []


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("viewed_in_session", {"session_rank": 0.0}),
        ("bought_before", {"own_purchases": 1.0}),
        ("seen_with_your_items", {"viewed_together": 0.1}),
        ("seen_with_your_items", {"similar_sessions": 0.1}),
        ("often_next", {"followed_by": 0.1}),
        ("liked_by_similar_visitors", {"liked_together": 0.1}),
        ("same_brand", {"same_brand": 1.0}),
        ("same_category", {"same_category": 1.0}),
        ("cheaper", {"price_saving": 0.2}),
        ("similar_price", {"price_to_newest": 1.2}),
        ("similar_price", {"price_to_newest": 0.81}),
        ("trending", {"trend": 0.7, "views_7_days": 4.0, "purchases_7_days": 1.0}),
        ("popular", {"popularity_rank": 49.0}),
        ("new", {"known_days": 13.0}),
    ],
)
def test_each_code(expected, change):
    assert reasons(rows_of(change)) == [(expected,)]
    assert expected in REASONS


@pytest.mark.parametrize(
    "change",
    [{"price_saving": 0.05}, {"price_to_newest": 1.3}, {"trend": 0.9, "views_7_days": 4.0}, {"popularity_rank": 50.0}],
)
def test_what_is_not_enough(change):
    assert reasons(rows_of(change)) == [()]


def test_an_item_that_is_less_than_half_as_near_as_another_is_not_said_to_be_near():
    near, half, far = ({"followed_by": value} for value in (0.8, 0.4, 0.3))
    assert reasons(rows_of(near, half, far)) == [("often_next",), ("often_next",), ()]


@given(st.lists(st.sampled_from(["own_purchases", "viewed_together", "followed_by", "same_brand"]), unique=True))
def test_the_strongest_come_first_and_at_most_three(names):
    (found,) = reasons(rows_of({"popularity_rank": 0.0, "known_days": 0.0, **dict.fromkeys(names, 1.0)}))
    order = list(REASONS)
    assert len(found) == min(MAX_REASONS, len(names) + 2)
    assert list(found) == sorted(found, key=order.index)


def test_they_follow_from_real_features():
    shop = small_shop()
    context = shop.context(a_visitor([(5, EventType.PURCHASE), (3, EventType.VIEW_ITEM)]))
    bought, viewed = reasons(pair_features(np.array([shop.row(5), shop.row(3)]), context))
    assert bought[:2] == ("viewed_in_session", "bought_before")
    assert viewed[0] == "viewed_in_session"
