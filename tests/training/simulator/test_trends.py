from __future__ import annotations

from collections import Counter

import pytest

from presage_training.simulator import Shop
from presage_training.simulator.streams import random_stream
from presage_training.simulator.trends import Trends


@pytest.fixture(scope="module")
def products():
    return Shop.create(seed=1).products["books"]


def test_a_sale_is_unknown_until_it_happens(products):
    trends, rng = Trends(), random_stream(1, "test")
    trends.record(products[0], unix_micros=100)

    trends.advance(99)
    assert trends.pick(rng, "books") is None
    trends.advance(100)
    assert trends.pick(rng, "books") is products[0]
    assert trends.pick(rng, "audio") is None


def test_what_sells_more_is_picked_more(products):
    trends, rng = Trends(), random_stream(1, "test")
    for product, sales in zip(products, (9, 1), strict=False):
        for _ in range(sales):
            trends.record(product, unix_micros=1)
    trends.advance(1)

    picks = Counter(trends.pick(rng, "books").item.item_id for _ in range(1000))
    assert picks[products[0].item.item_id] > 5 * picks[products[1].item.item_id]


def test_old_sales_are_forgotten(products):
    trends, rng = Trends(), random_stream(1, "test")
    trends.record(products[0], unix_micros=1)
    for _ in range(200):
        trends.record(products[1], unix_micros=2)
    trends.advance(2)

    assert {trends.pick(rng, "books").item.item_id for _ in range(500)} == {products[1].item.item_id}
