from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from training.simulator.world import SEED

from presage_training.simulator import Shop, create_visitor
from presage_training.simulator.personas import BUDGET_HUNTER, QUALITY_SEEKER
from presage_training.simulator.tastes import Need, create_taste

SHOP = Shop.create(seed=SEED)
NOTHING = Need("", 0, ())


@pytest.fixture(scope="module")
def visitors():
    return [create_visitor(seed=SEED, index=index) for index in range(400)]


def utilities(visitor):
    return create_taste(visitor).utilities(SHOP.by_id.values(), NOTHING)


def test_a_taste_depends_on_the_visitor_only(visitors):
    again = create_visitor(seed=SEED, index=3)
    again.rng.random()

    assert create_taste(again) == create_taste(visitors[3])
    assert create_taste(visitors[4]) != create_taste(visitors[3])


def test_interests_are_liked_most_the_first_one_above_all(visitors):
    for visitor in visitors[:20]:
        categories = create_taste(visitor).categories
        liked = sorted(categories, key=categories.__getitem__, reverse=True)
        assert tuple(liked[: len(visitor.interests)]) == visitor.interests


def test_budget_hunters_like_what_is_cheap_and_quality_seekers_good_brands(visitors):
    def correlation(persona, value):
        found = [
            np.corrcoef([value(SHOP.by_id[item_id]) for item_id in worth], list(worth.values()))[0, 1]
            for worth in map(utilities, (visitor for visitor in visitors if visitor.persona is persona))
        ]
        return np.mean(found)

    assert correlation(BUDGET_HUNTER, lambda p: p.relative_price) < correlation(
        QUALITY_SEEKER, lambda p: p.relative_price
    )
    assert correlation(BUDGET_HUNTER, lambda p: p.tier) < correlation(QUALITY_SEEKER, lambda p: p.tier)


@pytest.mark.parametrize(
    ("change", "worse"),
    [
        ({"cart_value_micros": 10**12}, True),
        ({"owned": {"audio-000"}}, True),
        ({"category": "audio"}, False),
    ],
)
def test_what_a_visitor_came_for_and_has_changes_what_a_product_is_worth(visitors, change, worse):
    taste, product = create_taste(visitors[0]), SHOP.by_id["audio-000"]
    need = Need(**dataclasses.asdict(NOTHING) | change)
    before, after = (taste.utilities([product], each)["audio-000"] for each in (NOTHING, need))

    assert (after < before) == worse
    assert after != before
