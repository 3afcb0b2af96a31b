from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ranking.shop import Shop, item_id
from presage_featurizer import MICROS

END = 1_790_000_000 * MICROS


@pytest.fixture(scope="module")
def shop():
    return Shop(items=1_200, visitors=20, end_unix_micros=END)


def test_a_log_is_the_same_on_every_run_and_in_the_order_of_time(shop):
    events = shop.events()
    times = [event.event_time_unix_micros for event in events]

    assert events == Shop(items=1_200, visitors=20, end_unix_micros=END).events()
    assert times == sorted(times)
    assert times[-1] < END
    assert {event.user_id for event in events} == {shop.user_id(number) for number in range(20)}


def test_an_item_says_the_same_wherever_it_occurs(shop):
    described = {item_id(number): shop.item(number) for number in range(shop.items)}

    assert all(event.items == (described[event.items[0].item_id],) for event in shop.events())


def test_the_first_items_of_a_category_are_the_popular_ones(shop):
    drawn = shop.draw(np.random.default_rng(1), np.full(2_000, 1))

    assert set(shop.category_codes[drawn]) == {1}
    assert drawn.max() < shop.items
    counts = np.bincount(drawn // shop.categories, minlength=10)
    assert counts[:100].sum() > counts[100:200].sum() > 0


def test_candidates_are_different_items_of_which_a_quarter_are_the_visitors_own(shop):
    own = list(range(50))
    candidates = shop.candidates(np.random.default_rng(2), own * 2, 100)

    assert len(set(candidates)) == len(candidates) == 100
    assert len(set(candidates) & set(own)) >= 25
    assert all(0 <= number < shop.items for number in candidates)
