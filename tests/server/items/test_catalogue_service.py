"""UpsertItems on a running server: what is stored, and what is rejected, item by item."""

from __future__ import annotations

import asyncio
import math

import grpc
import pytest

from presage.v1 import ranking_service_pb2 as pb
from presage.v1 import ranking_service_pb2_grpc
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.items.changes import CHANGES_PER_ENTRY, ChangesReader
from presage_server.items.keys import CATALOGUE_STREAM
from support.metrics import metric
from support.running_server import GENEROUS_SECONDS, serving
from support.stores import local_store

INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]
MOMENT = 1_700_000_000_000_000


def stored(store) -> list[CatalogueChange]:
    reader, found = ChangesReader(store.redis), []
    while entries := reader.read(2**62):
        found += [change for entry in entries for change in entry.changes]
    return found


def stub(served):
    return ranking_service_pb2_grpc.RankingServiceStub(served.channel)


async def upsert(served, *items: pb.CatalogueItem) -> list[tuple[int, str]]:
    response = await stub(served).UpsertItems(pb.UpsertItemsRequest(items=items))
    return [(result.code, result.message) for result in response.results]


@pytest.mark.usefixtures("each_transport")
async def test_what_is_set_is_stored_and_nothing_else(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        everything = pb.CatalogueItem(
            item_id="all",
            price=9.99,
            category="shoes",
            brand="",
            tags=["new", "sale"],
            stock=0,
            blocked=False,
            first_seen_unix_micros=MOMENT,
        )
        assert await upsert(served, everything, pb.CatalogueItem(item_id="nothing")) == [(0, "")] * 2
    assert stored(store) == [
        CatalogueChange("all", 9_990_000, "shoes", "", ("new", "sale"), 0, False, MOMENT),
        CatalogueChange("nothing"),
    ]


BAD = {
    "item_id: expected 1 to 256 bytes, got none": {"item_id": ""},
    "item_id: expected at most 256 bytes, got 300": {"item_id": "x" * 300},
    "price: expected 0 to 1e+09, got nan": {"price": math.nan},
    "price: expected 0 to 1e+09, got inf": {"price": math.inf},
    "price: expected 0 to 1e+09, got -0.01": {"price": -0.01},
    "category: expected at most 256 bytes, got 258": {"category": "é" * 129},
    "brand: expected at most 256 bytes, got 257": {"brand": "b" * 257},
    "tags: expected at most 32, got 33": {"tags": ["t"] * 33},
    "tags[1]: expected at most 64 bytes, got 65": {"tags": ["t", "t" * 65]},
    "tags[0]: expected 1 to 64 bytes, got none": {"tags": [""]},
    "stock: expected 0 to 1000000000000, got -1": {"stock": -1},
    "first_seen_unix_micros: expected microseconds since 1970": {"first_seen_unix_micros": 1_700_000_000},
}


async def test_a_bad_item_is_rejected_by_its_field_and_its_neighbours_are_stored(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        bad = [pb.CatalogueItem(**({"item_id": f"bad-{place}"} | fields)) for place, fields in enumerate(BAD.values())]
        results = await upsert(served, pb.CatalogueItem(item_id="first"), *bad, pb.CatalogueItem(item_id="last"))
    assert [code for code, _ in results] == [0, *[INVALID] * len(BAD), 0]
    for place, (expected, (_, message)) in enumerate(zip(BAD, results[1:-1], strict=True), 1):
        assert message.startswith(f"items[{place}].{expected}")
    assert [change.item_id for change in stored(store)] == ["first", "last"]


async def test_changes_are_counted_in_the_metrics(store, models, unused_tcp_port):
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as served:
        assert await metric(unused_tcp_port, "presage_items_counted_until_seconds") == 0
        await upsert(served, pb.CatalogueItem(item_id="a"), pb.CatalogueItem(item_id="b"))
        async with asyncio.timeout(GENEROUS_SECONDS):
            while await metric(unused_tcp_port, "presage_item_changes_total") < 2:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert await metric(unused_tcp_port, "presage_items") == 0, "no bucket is closed"


async def test_an_item_that_comes_twice_in_a_call_is_rejected_once(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        same = [pb.CatalogueItem(item_id="same", stock=units) for units in (1, 2)]
        results = await upsert(served, *same)
    assert results[0] == (0, "")
    assert results[1] == (INVALID, "items[1].item_id: expected each item once in a call, got it again")
    assert [change.stock for change in stored(store)] == [1]


async def test_too_many_items_store_nothing(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await upsert(served, *[pb.CatalogueItem(item_id=str(number)) for number in range(1_001)])
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "items: expected at most 1000 in one call, got 1001"
        assert await upsert(served) == []
        assert await upsert(served, *[pb.CatalogueItem(item_id=str(number)) for number in range(1_000)])
    assert len(stored(store)) == 1_000
    assert store.redis.xlen(CATALOGUE_STREAM) == 1_000 / CHANGES_PER_ENTRY


async def test_what_is_no_request_is_rejected(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        call = served.channel.unary_unary("/presage.v1.RankingService/UpsertItems")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "2 bytes that cannot be parsed" in caught.value.details()


async def test_a_store_that_is_away_is_unavailable(short_directory, models):
    with local_store(short_directory / "upsert.sock") as store:
        async with serving(redis_url=store.url, models=models) as served:
            store.stop()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await upsert(served, pb.CatalogueItem(item_id="a"))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "make the same call again" in caught.value.details()


async def test_a_store_that_rejects_changes_is_unavailable_and_one_that_is_full_says_so(short_directory, models):
    with local_store(short_directory / "full.sock") as store:
        async with serving(redis_url=store.url, models=models) as served:
            store.redis.set(CATALOGUE_STREAM, "no stream")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await upsert(served, pb.CatalogueItem(item_id="a"))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            store.redis.delete(CATALOGUE_STREAM)
            store.redis.config_set("maxmemory", "1")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await upsert(served, pb.CatalogueItem(item_id="a"))
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
