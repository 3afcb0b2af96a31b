"""ListItems on a running server: what it says of items that were counted, that only the catalogue names, and that nobody knows."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage.v1 import ranking_service_pb2_grpc
from presage_featurizer import EventType, Item
from presage_featurizer.ranking.items_counter import CatalogueChange
from support.items import WIDTH_MICROS, a_follower, an_event, put_change, put_event, run_once
from support.running_server import GENEROUS_SECONDS, serving

VIEW, CART, BUY = EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE
HAPPENED = [(VIEW, "lamp")] * 3 + [(CART, "lamp"), (BUY, "lamp"), (VIEW, "bulb"), (VIEW, "socket"), (VIEW, "socket")]


def fill(store) -> int:
    """Have items viewed and bought a while ago, and counted; returns until when, in microseconds."""
    moment = store.redis.time()[0] * 1_000 - 5_000
    for place, (kind, item_id) in enumerate(HAPPENED):
        item = Item(item_id, category="light" if item_id == "lamp" else "", price_micros=9_500_000)
        put_event(store, an_event("u", item, kind=kind), f"{moment}-{place + 1}")
    with a_follower(store) as follower:
        run_once(follower)
    return (moment * 1_000 // WIDTH_MICROS + 1) * WIDTH_MICROS


async def ask(served, **fields) -> pb.ListItemsResponse:
    stub = ranking_service_pb2_grpc.RankingServiceStub(served.channel)
    return await stub.ListItems(pb.ListItemsRequest(**fields), timeout=GENEROUS_SECONDS)


@pytest.mark.usefixtures("each_transport")
async def test_the_most_popular_items_come_first_with_their_counts(store, models):
    until = fill(store)
    async with serving(redis_url=store.url, models=models) as served:
        found = await ask(served)
        assert [item.item_id for item in (await ask(served, k=1)).items] == ["lamp"]
    assert [(item.item_id, item.popularity_place) for item in found.items] == [("lamp", 1), ("socket", 2), ("bulb", 3)]
    lamp = found.items[0]
    assert (lamp.views_7_days, lamp.carts_7_days, lamp.purchases_7_days, lamp.views, lamp.purchases) == (3, 1, 1, 3, 1)
    assert (lamp.category, lamp.price, lamp.cold, lamp.HasField("stock")) == ("light", 9.5, False, False)
    assert lamp.first_seen_unix_micros > 0
    assert found.total_items == 3
    assert found.counted_until_unix_micros >= until


async def test_named_items_come_in_their_order_with_their_newest_stock(store, models):
    fill(store)
    put_change(store, CatalogueChange("bulb", stock=3, blocked=True, tags=("new",), price_micros=1_000_000))
    put_change(store, CatalogueChange("catalogue-only", stock=0))
    wanted = ["bulb", "catalogue-only", "nobody-knows", "lamp"]
    async with serving(redis_url=store.url, models=models) as served, asyncio.timeout(GENEROUS_SECONDS):
        while True:
            found = await ask(served, item_ids=wanted)
            if found.items[1].HasField("stock"):  # changes come by a thread of the server
                break
            await asyncio.sleep(0.01)
    bulb, only, nobody, lamp = found.items
    assert [item.item_id for item in found.items] == wanted
    assert (bulb.stock, bulb.blocked, list(bulb.tags), bulb.price) == (3, True, ["new"], 1.0)
    assert (only.cold, only.stock, only.popularity_place) == (True, 0, 0)
    assert (nobody.cold, nobody.HasField("stock"), nobody.views) == (True, False, 0)
    assert lamp.views == 3


async def test_a_server_without_items_says_so(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        assert await ask(served) == pb.ListItemsResponse()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"k": 201}, "k: expected 0 to 200, got 201"),
        ({"k": -1}, "k: expected 0 to 200, got -1"),
        ({"k": 1, "item_ids": ["a"]}, "k: expected 0 with item_ids, got 1"),
        ({"item_ids": ["a", "b", "a"]}, "item_ids[2]: expected each item once, got that of item_ids[0] again"),
        ({"item_ids": [""]}, "item_ids[0]: expected 1 to 256 bytes, got none"),
        ({"item_ids": [str(number) for number in range(1_001)]}, "item_ids: expected at most 1000, got 1001"),
    ],
)
async def test_a_request_that_breaks_the_contract_is_rejected_by_its_field(served, fields, message):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(served, **fields)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == message
