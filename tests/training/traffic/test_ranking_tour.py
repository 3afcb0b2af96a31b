from __future__ import annotations

import grpc
import pytest

from presage.v1 import event_pb2, ranking_service_pb2
from presage_training.errors import TrainingError
from presage_training.simulator import Shop
from presage_training.traffic.ranking_tour import load_catalogue, tour
from support.scripted_servicer import Abort, ScriptedServicer, serving

SHOP = Shop.create(seed=7)
LIST = ("toys-001", "toys-002", "toys-003")


class RankingServicer(ScriptedServicer):
    """Ranks the same products each time, or nothing at first."""

    def __init__(self, empty: int = 0) -> None:
        super().__init__()
        self.empty = empty

    def Rank(self, request, context):  # noqa: N802  # the contract's name
        items = [ranking_service_pb2.RankedItem(item_id=item_id, propensity=1.0) for item_id in LIST[: request.k]]
        ranked = [] if len(self.requests("Rank")) < self.empty else items
        response = ranking_service_pb2.RankResponse(rank_id=f"r-{len(self.received)}", items=ranked)
        return self._answer("Rank", request, context, response)


def run(servicer, **change):
    arguments = {"user_id": "you", "category": "shoes", "k": 3, "wait": lambda: None, "patience": 5} | change
    with serving(servicer) as target:
        return tour(target, SHOP, **arguments)


def test_every_list_is_shown_and_what_is_picked_has_its_place():
    servicer = RankingServicer()
    steps = run(servicer)

    events = [request.event for request in servicer.requests("TrackEvent")]
    assert {event.user_id for event in events} == {"you"}
    assert [event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_") for event in events] == [
        *("VIEW_ITEM_LIST", "VIEW_ITEM", "VIEW_ITEM"),
        *("VIEW_ITEM_LIST", "SELECT_ITEM", "VIEW_ITEM"),
        *("VIEW_ITEM_LIST", "ADD_TO_CART", "VIEW_CART", "VIEW_ITEM_LIST"),
    ]
    impressions = [event for event in events if event.type == event_pb2.EVENT_TYPE_VIEW_ITEM_LIST]
    assert [event.items[0].rank_id for event in impressions] == [step.ranking.rank_id for step in steps]
    for event in impressions:
        assert [(item.item_id, item.position, item.propensity) for item in event.items] == [
            (item_id, place, 1.0) for place, item_id in enumerate(LIST, 1)
        ]
    [picked] = [event.items[0] for event in events if event.type == event_pb2.EVENT_TYPE_SELECT_ITEM]
    assert (picked.item_id, picked.position, picked.rank_id) == (LIST[0], 1, steps[1].ranking.rank_id)
    assert [step.happened for step in steps][2] == f"picked {LIST[0]} from that list"


def test_the_two_products_are_of_one_brand_and_category():
    servicer = RankingServicer()
    run(servicer)

    viewed = [
        request.event.items[0]
        for request in servicer.requests("TrackEvent")
        if request.event.type == event_pb2.EVENT_TYPE_VIEW_ITEM
    ][:2]
    assert len({item.item_id for item in viewed}) == 2
    assert {(item.category, item.brand) for item in viewed} == {("shoes", viewed[0].brand)}
    assert viewed[0].brand


def test_the_first_list_is_waited_for():
    waits: list[None] = []
    steps = run(RankingServicer(empty=3), wait=lambda: waits.append(None))

    assert len(waits) == 3
    assert len(steps) == 4


def test_a_shorter_list_is_taken_when_patience_ends():
    waits: list[None] = []
    steps = run(RankingServicer(), k=5, wait=lambda: waits.append(None))

    assert {len(step.ranking.items) for step in steps} == {3}
    assert len(waits) == 5 * len(steps)


def test_no_list_is_an_error_that_says_why():
    with pytest.raises(TrainingError, match="counted no products in time"):
        run(RankingServicer(empty=100))


def test_a_failed_call_is_told_in_one_line():
    servicer = RankingServicer()
    servicer.script.append(Abort(grpc.StatusCode.NOT_FOUND, "expected a ranking model"))
    with pytest.raises(TrainingError, match=r"a call failed: .*expected a ranking model"):
        run(servicer)


def test_the_catalogue_has_every_product():
    servicer = ScriptedServicer()
    with serving(servicer) as target:
        load_catalogue(target, SHOP, first_seen_unix_micros=1_700_000_000_000_000)

    [request] = servicer.requests("UpsertItems")
    assert {item.item_id for item in request.items} == set(SHOP.by_id)
    for item in request.items:
        product = SHOP.by_id[item.item_id].item
        assert (item.category, item.brand, round(item.price * 1e6)) == (
            product.category,
            product.brand,
            product.price_micros,
        )
        assert item.first_seen_unix_micros == 1_700_000_000_000_000


def test_a_rejected_product_is_an_error():
    servicer = ScriptedServicer()
    bad = {"code": 3, "message": "items[0].price: expected 0 to 1e+09"}
    servicer.script.append(ranking_service_pb2.UpsertItemsResponse(results=[bad] + [{}] * (len(SHOP.by_id) - 1)))
    with serving(servicer) as target, pytest.raises(TrainingError, match=r"items\[0\]\.price"):
        load_catalogue(target, SHOP, first_seen_unix_micros=1)
