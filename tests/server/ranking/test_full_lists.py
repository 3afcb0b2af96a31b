"""As many items as were asked for, wherever so many may be in the list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from support.pipelines import LocalPipeline, local_pipeline
from support.shelves import NOW, Good, Shelf
from support.stores import opened

TAGGED = range(7, 199, 16)


@contextmanager
def serving(store: Any, models: Any, shelf: Shelf) -> Iterator[LocalPipeline]:
    with opened(store) as view, local_pipeline(view, models, items=shelf.items) as local:
        yield local


def places(local: LocalPipeline, k: int, **context: Any) -> list[int]:
    request = pb.RankRequest(user_id="nobody", as_of_unix_micros=NOW, k=k, context=pb.RankContext(**context))
    found = [int(item.item_id.removeprefix("item-")) for item in local.answer(request).items]
    assert len(set(found)) == len(found)
    return found


def test_items_of_a_shop_without_events(store, ranking_models):
    shelf = Shelf([Good(age_days=1 + place % 90, blocked=place % 50 == 0) for place in range(500)])
    shown = [place for place in range(500) if place % 50]
    shown.sort(key=lambda place: (shelf.goods[place].age_days, item_number(f"item-{place}")))
    with serving(store, ranking_models, shelf) as local:
        for k in (1, 20, 100, 490):
            assert len(places(local, k)) == k
        # More than the candidates that are found for everybody.
        assert set(places(local, 300)) == set(shown[:300])
        assert set(places(local, 500)) == set(shown)


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """Items of four categories and three brands; those of one tag are the least popular."""
    goods = [
        Good(f"category-{place % 4}", f"brand-{place % 3}", price=place + 1, views=0 if place in TAGGED else 2)
        for place in range(400)
    ]
    shelf = Shelf(goods)
    for place in TAGGED:
        shelf.items.apply_change(CatalogueChange(f"item-{place}", tags=("sale", f"sale-{place % 32}")))
    return shelf


def test_items_with_a_tag_wherever_they_are(store, ranking_models, shelf):
    with serving(store, ranking_models, shelf) as local:
        assert set(places(local, 20, filter=pb.ItemFilter(tags=["sale"]))) == set(TAGGED)
        assert len(places(local, 5, filter=pb.ItemFilter(tags=["sale", "none has it"]))) == 5
        half = {place for place in TAGGED if place % 32 == 7}
        assert set(places(local, 20, filter=pb.ItemFilter(tags=["sale-7"]))) == half
        dear = {place for place in TAGGED if place >= 100}
        assert set(places(local, 20, filter=pb.ItemFilter(tags=["sale"], min_price=101))) == dear


@pytest.mark.parametrize(
    ("condition", "meets"),
    [
        ({"min_price": 101, "max_price": 350}, lambda place: 100 <= place < 350),
        ({"categories": ["category-1", "category-2"]}, lambda place: place % 4 in {1, 2}),
        ({"categories": ["category-1"], "min_price": 9}, lambda place: place % 4 == 1 and place >= 8),
        ({"brands": ["brand-0"]}, lambda place: place % 3 == 0),
        ({"brands": ["brand-0", "brand-2", "other"]}, lambda place: place % 3 != 1),
        ({"categories": ["category-3"], "brands": ["brand-1"]}, lambda place: place % 4 == 3 and place % 3 == 1),
        ({"categories": ["other"]}, lambda _: False),
    ],
)
def test_all_that_meet_the_conditions(store, ranking_models, shelf, condition, meets):
    expected = {place for place in range(400) if meets(place)}
    with serving(store, ranking_models, shelf) as local:
        assert set(places(local, 400, filter=pb.ItemFilter(**condition))) == expected
        for k in (20, 90, 150):
            found = places(local, k, filter=pb.ItemFilter(**condition))
            assert len(found) == min(k, len(expected))
            assert set(found) <= expected
