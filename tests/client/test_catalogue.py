"""The shop's items, as both clients send them."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import pytest

from presage.v1 import ranking_service_pb2
from presage_client import CatalogueItem, InternalError, InvalidRequestError, ItemReport, ItemReports, UpsertOutcome

EVERYTHING = CatalogueItem(
    item_id="lamp",
    price=39.9,
    category="light",
    brand="acme",
    tags=["new", "sale"],
    stock=0,
    blocked=False,
    first_seen_unix_micros=datetime(2026, 1, 31, 12, tzinfo=UTC),
)


def test_fields_are_those_of_the_contract():
    contract = {field.name for field in ranking_service_pb2.CatalogueItem.DESCRIPTOR.fields}
    assert {field.name for field in dataclasses.fields(CatalogueItem)} == contract


async def test_what_is_not_set_is_not_sent(client, servicer):
    outcomes = await client.upsert_items([EVERYTHING, CatalogueItem(item_id="bulb", stock=3)])

    assert outcomes == [UpsertOutcome(error=None)] * 2
    [request] = servicer.requests("UpsertItems")
    assert request.items[0] == ranking_service_pb2.CatalogueItem(
        item_id="lamp",
        price=39.9,
        category="light",
        brand="acme",
        tags=["new", "sale"],
        stock=0,
        blocked=False,
        first_seen_unix_micros=1_769_860_800_000_000,
    )
    assert {field.name for field, _ in request.items[0].ListFields()} == set(request.items[0].DESCRIPTOR.fields_by_name)
    assert {field.name for field, _ in request.items[1].ListFields()} == {"item_id", "stock"}


async def test_one_bad_item_does_not_fail_its_neighbours(client, servicer):
    bad = {"code": 3, "message": "items[1].price: expected 0 to 1e+09, got -1"}
    servicer.script.append(ranking_service_pb2.UpsertItemsResponse(results=[{}, bad]))

    good, refused = await client.upsert_items(CatalogueItem(item_id=name, price=-1) for name in "ab")

    assert good.error is None
    assert isinstance(refused.error, InvalidRequestError)
    assert refused.error.field == "items[1].price"


async def test_any_number_travels_in_calls_in_which_each_item_is_once(client, servicer):
    items = [CatalogueItem(item_id=str(number)) for number in range(1_001)]

    assert len(await client.upsert_items([*items, items[1_000], items[0]])) == 1_003
    sent = [[item.item_id for item in request.items] for request in servicer.requests("UpsertItems")]
    assert [len(call) for call in sent] == [1_000, 1, 2]
    assert sent[2] == ["1000", "0"]


async def test_no_items_are_no_call(client, servicer):
    assert await client.upsert_items([]) == []
    assert servicer.received == []


async def test_an_answer_for_fewer_items_breaks_the_contract(client, servicer):
    servicer.script.append(ranking_service_pb2.UpsertItemsResponse(results=[{}]))
    with pytest.raises(InternalError, match="expected 2 results, got 1"):
        await client.upsert_items([CatalogueItem(item_id="a"), CatalogueItem(item_id="b")])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("item_id", 7, "a string"),
        ("price", "1", "a number"),
        ("category", 5, "a string"),
        ("brand", b"x", "a string"),
        ("tags", "new", "a sequence of strings"),
        ("stock", 1.0, "an integer"),
        ("blocked", 1, "True or False"),
        ("first_seen_unix_micros", 1.5, "an integer of microseconds or a datetime with a time zone"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_name(field, value, expected):
    message = f"{field}: expected {expected}, got {value!r}, which is of type {type(value).__name__}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        CatalogueItem(**({"item_id": "i"} | {field: value}))


async def test_something_else_is_refused(client, servicer):
    with pytest.raises(TypeError, match=r"^item: expected a CatalogueItem, got 'lamp'"):
        await client.upsert_items(["lamp"])
    assert servicer.received == []


REPORT = ItemReport(
    item_id="lamp",
    cold=True,
    price=39.9,
    category="light",
    brand="acme",
    tags=("new", "sale"),
    stock=3,
    blocked=True,
    first_seen_unix_micros=1_769_860_800_000_000,
    views_7_days=1,
    carts_7_days=2,
    purchases_7_days=3,
    views=4,
    purchases=5,
    popularity_place=6,
)


async def test_what_is_known_of_items_is_read_field_by_field(client, servicer):
    message = ranking_service_pb2.ItemReport(**dataclasses.asdict(REPORT))
    assert {field.name for field, _ in message.ListFields()} == set(message.DESCRIPTOR.fields_by_name)
    unknown = ranking_service_pb2.ItemReport(item_id="bulb")
    servicer.script.append(
        ranking_service_pb2.ListItemsResponse(items=[message, unknown], total_items=7, counted_until_unix_micros=8)
    )

    reports = await client.list_items(["lamp", "bulb"])

    assert reports == ItemReports(items=(REPORT, reports.items[1]), total_items=7, counted_until_unix_micros=8)
    assert (reports.items[1].item_id, reports.items[1].stock) == ("bulb", None)
    assert servicer.requests("ListItems") == [ranking_service_pb2.ListItemsRequest(item_ids=["lamp", "bulb"])]


async def test_ids_are_a_sequence_of_strings(client, servicer):
    with pytest.raises(TypeError, match=r"^item_ids: expected a sequence of strings, got 'lamp'"):
        await client.list_items("lamp")
    assert servicer.received == []
