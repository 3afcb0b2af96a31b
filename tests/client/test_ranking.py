"""Rankings and what they are made for: what both clients send, how they read it, and the events that follow."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest

from presage.v1 import event_pb2, prediction_pb2, ranking_service_pb2
from presage_client import (
    Arm,
    Device,
    Exclusion,
    Intent,
    InvalidRequestError,
    Item,
    ItemFilter,
    ItemSource,
    NotFoundError,
    RankContext,
    RankedItem,
    Ranking,
    SimilarItems,
    Timings,
)
from presage_client._convert import event_to_proto
from support.scripted_servicer import Abort

CONTEXT = RankContext(
    placement="cart",
    budget=50,
    anchor_item_id="lamp",
    filter=ItemFilter(categories=["light"], brands=("acme",), tags=["new"], min_price=0.0, max_price=np.float32(9.5)),
    exclude=[Exclusion.CURRENT, Exclusion.BOUGHT],
    country_code="DE",
)
CONTEXT_MESSAGE = ranking_service_pb2.RankContext(
    placement="cart",
    budget=50.0,
    anchor_item_id="lamp",
    filter=ranking_service_pb2.ItemFilter(
        categories=["light"], brands=["acme"], tags=["new"], min_price=0.0, max_price=9.5
    ),
    exclude=[ranking_service_pb2.EXCLUSION_CURRENT, ranking_service_pb2.EXCLUSION_BOUGHT],
    country_code="DE",
)
ITEM_MESSAGE = ranking_service_pb2.RankedItem(
    item_id="lamp",
    score=-0.5,
    source=ranking_service_pb2.ITEM_SOURCE_HISTORY,
    reasons=["bought_before", "popular"],
    cold=True,
    propensity=0.25,
    rules=["max_per_category"],
    price=39.9,
    features=prediction_pb2.FeatureVector(feature_set="rank", names=["z", "a"], values=[0.1, 3.0]),
)
ITEM = RankedItem(
    item_id="lamp",
    score=-0.5,
    source=ItemSource.HISTORY,
    reasons=("bought_before", "popular"),
    cold=True,
    propensity=0.25,
    rules=("max_per_category",),
    price=39.9,
    features={"z": float(np.float32(0.1)), "a": 3.0},
)
BASIS = {
    "model": "m",
    "model_version": "2",
    "epoch": 7,
    "cold_start": True,
    "degraded": True,
    "no_session": True,
    "arm": Arm.CHALLENGER,
}
RANKING = Ranking(rank_id="r-1", items=(ITEM,), intent=Intent.BARGAIN, **BASIS, timings=None)


def ranked(*item_ids: str) -> Ranking:
    items = (dataclasses.replace(ITEM, item_id=item_id, propensity=1 / n) for n, item_id in enumerate(item_ids, 1))
    return dataclasses.replace(RANKING, items=tuple(items))


@pytest.mark.parametrize(
    ("ours", "contract", "prefix"),
    [
        (Exclusion, ranking_service_pb2.Exclusion, "EXCLUSION_"),
        (Intent, ranking_service_pb2.Intent, "INTENT_"),
        (ItemSource, ranking_service_pb2.ItemSource, "ITEM_SOURCE_"),
    ],
)
def test_enums_are_those_of_the_contract(ours, contract, prefix):
    assert {f"{prefix}{member.name}": member.value for member in ours} == dict(contract.items())


@pytest.mark.parametrize(
    ("ours", "contracts"),
    [
        (ItemFilter, [ranking_service_pb2.ItemFilter]),
        (RankContext, [ranking_service_pb2.RankContext]),
        (RankedItem, [ranking_service_pb2.RankedItem]),
        (Ranking, [ranking_service_pb2.RankResponse, ranking_service_pb2.RankingBasis]),
        (SimilarItems, [ranking_service_pb2.SimilarItemsResponse]),
    ],
)
def test_fields_are_those_of_the_contract(ours, contracts):
    names = {field.name for contract in contracts for field in contract.DESCRIPTOR.fields} - {"basis"}
    assert {field.name for field in dataclasses.fields(ours)} == names


async def test_rank_sends_every_argument_and_reads_every_field(client, servicer):
    timings = dict.fromkeys((field.name for field in dataclasses.fields(Timings)), 1.5)
    servicer.script.append(
        ranking_service_pb2.RankResponse(
            rank_id="r-1",
            items=[ITEM_MESSAGE],
            intent=ranking_service_pb2.INTENT_BARGAIN,
            basis=ranking_service_pb2.RankingBasis(**BASIS),
            timings=prediction_pb2.Timings(**timings),
        )
    )

    ranking = await client.rank(
        "u-1",
        candidate_ids=("lamp", "bulb"),
        k=1,
        context=CONTEXT,
        session_id="s-1",
        model="m",
        as_of_unix_micros=datetime(2026, 1, 31, 12, tzinfo=UTC),
        include_features=True,
        include_timings=True,
        preview=True,
    )

    assert ranking == dataclasses.replace(RANKING, timings=Timings(**timings))
    assert servicer.requests("Rank") == [
        ranking_service_pb2.RankRequest(
            user_id="u-1",
            session_id="s-1",
            model="m",
            candidate_ids=["lamp", "bulb"],
            k=1,
            context=CONTEXT_MESSAGE,
            as_of_unix_micros=1_769_860_800_000_000,
            include_features=True,
            include_timings=True,
            preview=True,
        )
    ]


async def test_a_plain_rank_says_nothing_but_the_visitor(client, servicer):
    ranking = await client.rank("u-1")

    assert (ranking.items, ranking.timings) == ((), None)
    assert servicer.requests("Rank") == [ranking_service_pb2.RankRequest(user_id="u-1")]


async def test_next_items_sends_every_argument_and_reads_every_field(client, servicer):
    servicer.script.append(
        ranking_service_pb2.NextItemsResponse(
            rank_id="r-1",
            items=[ITEM_MESSAGE],
            intent=ranking_service_pb2.INTENT_BARGAIN,
            basis=ranking_service_pb2.RankingBasis(**BASIS),
        )
    )

    ranking = await client.next_items(
        "u-1", k=5, context=CONTEXT, session_id="s-1", model="m", as_of_unix_micros=1_700_000_000_000_000
    )

    assert ranking == RANKING
    assert servicer.requests("NextItems") == [
        ranking_service_pb2.NextItemsRequest(
            user_id="u-1",
            session_id="s-1",
            model="m",
            k=5,
            context=CONTEXT_MESSAGE,
            as_of_unix_micros=1_700_000_000_000_000,
        )
    ]


async def test_similar_items_sends_every_argument_and_reads_every_field(client, servicer):
    servicer.script.append(ranking_service_pb2.SimilarItemsResponse(items=[ITEM_MESSAGE], cold=True))

    similar = await client.similar_items("lamp", k=5, filter=CONTEXT.filter, model="m")

    assert similar == SimilarItems(items=(ITEM,), cold=True)
    assert servicer.requests("SimilarItems") == [
        ranking_service_pb2.SimilarItemsRequest(item_id="lamp", model="m", k=5, filter=CONTEXT_MESSAGE.filter)
    ]


async def test_words_of_a_newer_server_are_unspecified(client, servicer):
    newer = ranking_service_pb2.RankResponse(intent=99, items=[ranking_service_pb2.RankedItem(source=99)])
    servicer.script.append(newer)

    ranking = await client.rank("u-1")

    assert (ranking.intent, ranking.items[0].source) == (Intent.UNSPECIFIED, ItemSource.UNSPECIFIED)


async def test_a_ranking_is_asked_for_again_where_no_server_has_worked_on_it(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.UNAVAILABLE, "shutting down"))

    assert (await client.rank("u-1", candidate_ids=["a"])).items[0].item_id == "a"
    assert len(servicer.requests("Rank")) == 2


@pytest.mark.parametrize(
    ("status", "details", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "candidate_ids[3]: expected each once", InvalidRequestError),
        (grpc.StatusCode.NOT_FOUND, "no placement 'caart'", NotFoundError),
    ],
)
async def test_a_bad_request_is_not_repeated(client, servicer, status, details, error):
    servicer.script.append(Abort(status, details))

    with pytest.raises(error) as caught:
        await client.rank("u-1")

    assert caught.value.message == details
    assert getattr(caught.value, "field", None) in {None, "candidate_ids[3]"}
    assert len(servicer.requests("Rank")) == 1


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("rank", {"candidate_ids": "lamp"}, "candidate_ids: expected a sequence of strings, got 'lamp', "),
        ("rank", {"candidate_ids": ["a", 7]}, "candidate_ids[1]: expected a string, got 7, "),
        ("rank", {"candidate_ids": iter(["a"])}, "candidate_ids: expected a sequence of strings, got "),
        ("rank", {"context": {"placement": "home"}}, "context: expected a RankContext, got "),
        ("rank", {"k": 1.5}, "k: got 1.5, which RankRequest cannot hold: "),
        ("next_items", {"context": "home"}, "context: expected a RankContext, got 'home', "),
        ("similar_items", {"filter": {"tags": ["new"]}}, "filter: expected an ItemFilter, got "),
    ],
)
async def test_an_argument_of_the_wrong_type_is_refused_by_name(client, servicer, call, arguments, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        await getattr(client, call)("u-1", **arguments)
    assert servicer.received == []


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ItemFilter, {"tags": "new"}, "tags: expected a sequence of strings, got 'new', "),
        (ItemFilter, {"brands": [None]}, "brands[0]: expected a string, got None, "),
        (ItemFilter, {"max_price": "9"}, "max_price: expected a number, got '9', "),
        (RankContext, {"placement": None}, "placement: expected a string, got None, "),
        (RankContext, {"country_code": b"DE"}, "country_code: expected a string, got b'DE', "),
        (RankContext, {"budget": "50"}, "budget: expected a number, got '50', "),
        (RankContext, {"exclude": Exclusion.CART}, "exclude: expected a sequence of Exclusion, got "),
        (RankContext, {"exclude": ["CART"]}, "exclude[0]: expected a member of Exclusion, got 'CART', "),
        (RankContext, {"filter": {}}, "filter: expected an ItemFilter, got {}, "),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(kind, fields, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        kind(**fields)


def test_an_impression_says_what_was_shown_where_and_by_which_ranking():
    event = ranked("a", "b", "c").impression(
        "u-1", session_id="s-1", event_time_unix_micros=5, country="NL", device=Device.MOBILE
    )

    assert event_to_proto(event) == event_pb2.Event(
        event_id=event.event_id,
        type=event_pb2.EVENT_TYPE_VIEW_ITEM_LIST,
        user_id="u-1",
        session_id="s-1",
        event_time_unix_micros=5,
        items=[
            event_pb2.Item(item_id=item_id, price=39.9, quantity=1, position=n, rank_id="r-1", propensity=1 / n)
            for n, item_id in enumerate("abc", 1)
        ],
        country="NL",
        device=event_pb2.DEVICE_MOBILE,
    )


def test_an_impression_of_a_part_keeps_the_places():
    event = ranked("a", "b", "c").impression("u-1", item_ids=["c", "b"])

    assert [(item.item_id, item.position) for item in event.items] == [("b", 2), ("c", 3)]


@pytest.mark.parametrize(("item_ids", "error"), [(["b", "x"], ValueError), ("b", TypeError)])
def test_an_impression_of_other_items_is_refused(item_ids, error):
    with pytest.raises(error, match=r"^item_ids: expected "):
        ranked("a", "b").impression("u-1", item_ids=item_ids)


def test_a_click_has_the_place_of_its_item():
    item = ranked("a", "b").item("b")

    assert item == Item(item_id="b", price=39.9, position=2, rank_id="r-1", propensity=0.5)
    with pytest.raises(KeyError, match="x"):
        ranked("a").item("x")
