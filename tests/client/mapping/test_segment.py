from __future__ import annotations

import copy

import pytest

from presage_client import Device, Event, EventType, Item
from presage_client.mapping import map_segment_message

ORDER = {
    "type": "track",
    "event": "Order Completed",
    "messageId": "ajs-next-1757595021118-3f2a1c",
    "anonymousId": "8a51a54c-2f0e-4c7b-9b7e-0e6f2d1c55aa",
    "userId": "ada",
    "timestamp": "2025-09-11T12:50:21.118Z",
    "sentAt": "2025-09-11T12:50:21.300Z",
    "receivedAt": "2025-09-11T12:50:21.402Z",
    "context": {
        "library": {"name": "analytics.js", "version": "next-1.81.0"},
        "location": {"country": "GB", "city": "Leeds"},
        "userAgentData": {"mobile": True, "platform": "Android"},
    },
    "properties": {
        "checkout_id": "c-77",
        "order_id": "o-1001",
        "total": 92.25,
        "subtotal": 84.3,
        "revenue": 84.3,
        "shipping": 4.95,
        "tax": 3,
        "currency": "GBP",
        "products": [
            {
                "product_id": "lamp-7",
                "sku": "L7-BLK",
                "name": "Desk lamp",
                "brand": "lux",
                "category": "lighting",
                "price": 39.9,
                "quantity": 2,
                "position": 3,
            },
            {"sku": "B1", "name": "Bulb", "price": "4.50"},
        ],
    },
}
VIEWED = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "anonymousId": "8a51a54c",
    "userId": None,
    "timestamp": "2025-09-11T14:49:02+02:00",
    "context": {"device": {"type": "ios"}, "location": {"country": "United Kingdom"}},
    "properties": {
        "product_id": "lamp-7", "category": "lighting", "brand": "lux", "price": 39.9, "currency": "GBP", "value": 39.9,
    },
}  # fmt: skip


def test_an_order_becomes_a_purchase():
    assert map_segment_message(ORDER) == Event(
        type=EventType.PURCHASE,
        user_id="8a51a54c-2f0e-4c7b-9b7e-0e6f2d1c55aa",
        event_id="ajs-next-1757595021118-3f2a1c",
        event_time_unix_micros=1_757_595_021_118_000,
        items=[
            Item(item_id="lamp-7", category="lighting", brand="lux", price=39.9, quantity=2, position=3),
            Item(item_id="B1", price=4.5),
        ],
        country="GB",
        device=Device.MOBILE,
        order_id="o-1001",
        value=84.3,
        currency="GBP",
    )


def test_properties_of_one_product_become_an_item():
    assert map_segment_message(VIEWED) == Event(
        type=EventType.VIEW_ITEM,
        user_id="8a51a54c",
        event_id="m-1",
        event_time_unix_micros=1_757_594_942_000_000,
        items=[Item(item_id="lamp-7", category="lighting", brand="lux", price=39.9)],
        device=Device.MOBILE,
    )


@pytest.mark.parametrize("properties", [{}, {"products": []}, {"products": "lamp-7"}, None, "lamp-7"])
def test_an_event_may_have_no_items(properties):
    event = map_segment_message(VIEWED | {"event": "Cart Viewed", "properties": properties})

    assert (event.type, event.items) == (EventType.VIEW_CART, [])


@pytest.mark.parametrize(
    ("amounts", "value"),
    [({"revenue": 3, "subtotal": 2, "total": 1}, 3), ({"subtotal": "2", "total": 1}, 2), ({"total": 1}, 1), ({}, None)],
)
def test_the_money_of_an_order_is_without_shipping_where_it_is_known(amounts, value):
    assert map_segment_message(ORDER | {"event": "Order Refunded", "properties": amounts}).value == value


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_pages_and_screens_are_page_views(kind):
    message = {"type": kind, "name": "Home", "anonymousId": "a", "properties": {"title": "Home", "url": "https://a.b/"}}

    assert map_segment_message(message).type is EventType.PAGE_VIEW


def test_a_search_has_its_query_as_label():
    message = VIEWED | {"event": "Products Searched", "properties": {"query": "blue roses"}}

    assert map_segment_message(message).labels == {"term": "blue roses"}


def test_a_review_has_its_rating_as_value():
    message = VIEWED | {"event": "Product Reviewed", "properties": {"product_id": "lamp-7", "rating": "5"}}

    event = map_segment_message(message)
    assert (event.type, event.value, event.items) == (EventType.RATE_ITEM, 5.0, [Item(item_id="lamp-7")])


def test_the_same_message_gives_the_same_event():
    assert map_segment_message(ORDER) == map_segment_message(copy.deepcopy(ORDER))


@pytest.mark.parametrize(("prefer_account", "visitor"), [(False, ORDER["anonymousId"]), (True, "ada")])
def test_a_browser_or_an_account_is_the_visitor(prefer_account, visitor):
    assert map_segment_message(ORDER, prefer_account=prefer_account).user_id == visitor


def test_servers_name_only_the_account():
    assert map_segment_message(ORDER | {"anonymousId": None}).user_id == "ada"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "identify", "userId": "ada", "traits": {}},
        VIEWED | {"event": "Coupon Applied"},
        VIEWED | {"event": None},
        VIEWED | {"type": "group"},
        {},
    ],
)
def test_other_messages_are_left_out(message):
    assert map_segment_message(message) is None


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="expected anonymousId or userId, got neither"):
        map_segment_message(VIEWED | {"anonymousId": ""})
    with pytest.raises(ValueError, match="timestamp: expected a time in ISO 8601, got 'yesterday'"):
        map_segment_message(VIEWED | {"timestamp": "yesterday"})


@pytest.mark.parametrize(("written", "micros"), [("", 0), (None, 0), ("2025-09-11T12:49:02", 1_757_594_942_000_000)])
def test_a_time_may_be_missing_or_without_a_zone(written, micros):
    assert map_segment_message(VIEWED | {"timestamp": written}).event_time_unix_micros == micros


@pytest.mark.parametrize("message", [{"type": "page"}, {"event": "Signed Up"}, {"event": "Order Completed"}])
def test_an_id_of_something_else_is_no_item(message):
    assert map_segment_message(VIEWED | message | {"properties": {"id": "4711"}}).items == []


def test_events_of_the_first_version_of_the_spec_have_its_names():
    viewed = map_segment_message(VIEWED | {"event": "Viewed Product", "properties": {"id": "lamp-7"}})
    order = {"orderId": "o-1", "revenue": 9.5, "products": [{"id": "lamp-7", "price": 9.5}]}
    ordered = map_segment_message(VIEWED | {"event": "Completed Order", "properties": order})

    assert viewed.items == [Item(item_id="lamp-7")]
    assert (ordered.order_id, ordered.value, ordered.items) == ("o-1", 9.5, [Item(item_id="lamp-7", price=9.5)])
