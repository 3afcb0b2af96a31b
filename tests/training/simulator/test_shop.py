from __future__ import annotations

from math import exp
from statistics import mean

import pytest

from presage_featurizer.events import MICROS
from presage_training.simulator.shop import CATEGORIES, Shop


def test_a_seed_stocks_the_same_shop():
    assert Shop.create(seed=1) == Shop.create(seed=1)
    assert Shop.create(seed=1) != Shop.create(seed=2)


def test_products_stand_in_their_category_with_a_price_and_a_brand():
    shop = Shop.create(seed=1, products_per_category=5)

    assert set(shop.products) == set(CATEGORIES)
    for category, products in shop.products.items():
        assert [product.item.category for product in products] == [category] * 5
        assert all(product.item.brand for product in products)
        for product in products:
            price = CATEGORIES[category] * exp(product.relative_price)
            assert product.item.price_micros == pytest.approx(price * MICROS, abs=1)


def test_better_brands_cost_more():
    products = [product for products in Shop.create(seed=1).products.values() for product in products]
    value, middle, premium = (mean(p.relative_price for p in products if p.tier == tier) for tier in range(3))

    assert value < middle < premium


def test_an_empty_shop_is_refused():
    with pytest.raises(ValueError, match="products_per_category"):
        Shop.create(seed=1, products_per_category=0)
