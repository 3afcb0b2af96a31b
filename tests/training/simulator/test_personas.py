from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from training.simulator.world import DAY_MICROS, SEED, START_UNIX_MICROS, VISITORS

from presage_featurizer.events import EventType
from presage_training.simulator import PERSONAS, Shop, create_visitor


def test_the_shares_are_those_of_a_price_sensitive_shop():
    assert {persona.name: persona.share for persona in PERSONAS} == {
        "budget_hunter": 0.30,
        "quality_seeker": 0.30,
        "follower": 0.20,
        "budget_pressured": 0.20,
    }


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("share", 1.1),
        ("removal_rate", -0.1),
        ("trend_share", float("nan")),
        ("budget", 0.0),
        ("mean_visits_per_month", 0.5),
    ],
)
def test_a_field_out_of_range_is_named(field, bad):
    with pytest.raises(ValueError, match=field):
        replace(PERSONAS[0], **{field: bad})


def test_shares_are_kept():
    drawn = Counter(create_visitor(seed=SEED, index=index).persona.name for index in range(VISITORS))

    for persona in PERSONAS:
        assert drawn[persona.name] / VISITORS == pytest.approx(persona.share, abs=0.04)


def test_budget_hunters_buy_cheap_and_quality_seekers_dear(sessions_by_persona):
    relative_price = {
        product.item.item_id: product.relative_price
        for products in Shop.create(seed=SEED).products.values()
        for product in products
    }
    bought = {
        name: np.mean(
            [
                relative_price[item.item_id]
                for visit in visits
                for event in visit
                if event.type is EventType.PURCHASE
                for item in event.items
            ]
        )
        for name, visits in sessions_by_persona.items()
    }

    assert bought["budget_hunter"] < -0.3
    assert bought["quality_seeker"] > 0.1


def test_the_budget_pressured_take_more_out_of_the_cart(sessions_by_persona):
    def removals_per_addition(name: str) -> float:
        types = Counter(event.type for visit in sessions_by_persona[name] for event in visit)
        return types[EventType.REMOVE_FROM_CART] / types[EventType.ADD_TO_CART]

    others = [persona.name for persona in PERSONAS if persona.name != "budget_pressured"]
    assert removals_per_addition("budget_pressured") > 1.5 * max(map(removals_per_addition, others))


def conversion(visits) -> float:
    return np.mean([any(event.type is EventType.PURCHASE for event in visit) for visit in visits])


def test_the_budget_pressured_buy_around_payday(sessions_by_persona):
    def is_payday(visit) -> bool:
        day_of_january = (visit[0].event_time_unix_micros - START_UNIX_MICROS) // DAY_MICROS + 1
        return day_of_january <= 3 or day_of_january >= 27

    visits = sessions_by_persona["budget_pressured"]
    paydays = [visit for visit in visits if is_payday(visit)]
    others = [visit for visit in visits if not is_payday(visit)]
    assert conversion(paydays) > 1.5 * conversion(others)


def test_followers_view_what_sells_and_join_groups(sessions_by_persona):
    sales = Counter(
        item.item_id
        for visits in sessions_by_persona.values()
        for visit in visits
        for event in visit
        if event.type is EventType.PURCHASE
        for item in event.items
    )

    def mean_sales_of_views(name: str) -> float:
        views = [
            event.items[0].item_id
            for visit in sessions_by_persona[name]
            for event in visit
            if event.type is EventType.VIEW_ITEM
        ]
        return np.mean([sales[item_id] for item_id in views])

    def group_views_per_visit(name: str) -> float:
        return np.mean(
            [sum(event.type is EventType.GROUP_VIEW for event in visit) for visit in sessions_by_persona[name]]
        )

    others = [persona.name for persona in PERSONAS if persona.name != "follower"]
    assert mean_sales_of_views("follower") > max(map(mean_sales_of_views, others))
    assert group_views_per_visit("follower") > 5 * max(map(group_views_per_visit, others))
