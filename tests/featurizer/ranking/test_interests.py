"""A visitor's items as rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, VISITOR, Event, EventType, Item
from presage_featurizer.item_history import HISTORY_TIME_SECONDS
from presage_featurizer.ranking.items import UNKNOWN
from tests.support.small_shops import HOUR, NOW, a_visitor, number_of, small_shop

SHOP = small_shop()
VIEW, PURCHASE = EventType.VIEW_ITEM, EventType.PURCHASE


@given(steps=st.lists(st.tuples(st.integers(0, 45), st.sampled_from([VIEW, PURCHASE])), max_size=20))
@settings(deadline=None, max_examples=60)
def test_the_session_and_the_history_by_a_slow_way(steps):
    interests = SHOP.context(a_visitor(steps)).interests
    newest_first = list(dict.fromkeys(number for number, _ in reversed(steps)))
    counts = Counter(number for number, _ in steps)
    digests = [number_of(f"item-{number}") for number in newest_first]
    assert interests.session_digests.tolist() == digests
    assert interests.session.tolist() == [SHOP.row(number) for number in newest_first]
    assert interests.session_counts.tolist() == [counts[number] for number in newest_first]
    last = {number: place for place, (number, _) in enumerate(steps)}
    ages = [60 * (len(steps) - last[number]) for number in newest_first]
    assert interests.session_ages_seconds.tolist() == ages
    weights = Counter()
    for number, kind in steps:
        weights[number] += 10.0 if kind == PURCHASE else 2.0
    found = dict(zip(interests.history_digests.tolist(), interests.scores.tolist(), strict=True))
    assert found == pytest.approx({number_of(f"item-{number}"): weight for number, weight in weights.items()}, rel=1e-3)
    assert np.all(np.diff(interests.scores) <= 0.0)
    bought = Counter(number for number, kind in steps if kind == PURCHASE)
    assert dict(zip(interests.history_digests.tolist(), interests.purchases.tolist(), strict=True)) == {
        number_of(f"item-{number}"): bought[number] for number in counts
    }
    assert (interests.purchases + interests.others).sum() == len(steps)
    by_digest = dict(zip(digests, ages, strict=True))
    for number, age in zip(interests.history_digests.tolist(), interests.ages_seconds.tolist(), strict=True):
        assert by_digest[number] <= age < by_digest[number] + HISTORY_TIME_SECONDS


def test_ratings_are_one_for_a_view_and_five_for_a_purchase_at_most():
    interests = SHOP.context(a_visitor([(1, VIEW), (2, PURCHASE), (3, PURCHASE), (3, PURCHASE)])).interests
    assert sorted(interests.ratings.tolist()) == pytest.approx([1.0, 5.0, 5.0], rel=1e-3)


def test_the_last_basket_has_all_items_of_the_last_order():
    state = None
    for place, items in enumerate((("item-1", "item-2"), ("item-3", "item-4"))):
        time = NOW - (2 - place) * 24 * HOUR
        event = Event(f"e{place}", PURCHASE, "v", time, items=tuple(map(Item, items)))
        state = VISITOR.fold(state, event)
    state = VISITOR.fold(state, Event("last", VIEW, "v", NOW - MICROS, items=(Item("item-5"),)))
    interests = SHOP.context(state).interests
    assert set(interests.last_basket.tolist()) == {SHOP.row(3), SHOP.row(4)}


def test_a_visitor_without_history_has_no_items():
    interests = SHOP.context(None).interests
    assert len(interests.rows) == len(interests.last_basket) == 0


def test_an_unknown_item_gets_its_row_in_the_session_and_in_the_history():
    state = VISITOR.fold(None, Event("e", VIEW, "v", NOW - MICROS, items=(Item("secret"),)))
    interests = SHOP.context(state).interests
    assert interests.rows.tolist() == [UNKNOWN, UNKNOWN]
    interests.place_cold(number_of("secret"), 77)
    assert (interests.session.tolist(), interests.history.tolist()) == ([77], [77])
