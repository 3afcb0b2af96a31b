from __future__ import annotations

import copy

import pytest

from presage_client import Device, Event, EventType, Item
from presage_client.mapping import map_ga4_export_row, map_ga4_payload

ADDED = {
    "client_id": "1467911541.1757593212",
    "timestamp_micros": 1_757_593_405_218_000,
    "device": {"category": "mobile", "language": "en-gb"},
    "user_location": {"city": "Leeds", "country_id": "GB"},
    "events": [
        {"name": "user_engagement", "params": {"engagement_time_msec": 4120}},
        {
            "name": "add_to_cart",
            "params": {
                "session_id": 1757593212,
                "engagement_time_msec": 100,
                "currency": "GBP",
                "value": 79.8,
                "items": [
                    {
                        "item_id": "lamp-7",
                        "item_name": "Desk lamp",
                        "item_brand": "lux",
                        "item_category": "lighting",
                        "item_category2": "desk",
                        "item_list_name": "Search results",
                        "index": 0,
                        "price": 39.9,
                        "quantity": 2,
                    }
                ],
            },
        },
    ],
}
PURCHASE_ROW = {
    # As BigQuery writes JSON lines: integers as text, and all kinds of values of a parameter apart.
    "event_date": "20250911",
    "event_timestamp": "1757595021118000",
    "event_name": "purchase",
    "event_params": [
        {"key": "ga_session_id", "value": {"string_value": None, "int_value": "1757593212", "double_value": None}},
        {"key": "transaction_id", "value": {"string_value": "o-1001"}},
        {"key": "currency", "value": {"string_value": "GBP"}},
        {"key": "value", "value": {"double_value": 84.3}},
        {"key": "page_title", "value": {"string_value": "Thank you"}},
    ],
    "event_bundle_sequence_id": "-1804371235",
    "user_id": None,
    "user_pseudo_id": "1467911541.1757593212",
    "device": {"category": "desktop", "operating_system": "Windows"},
    "geo": {"country": "United Kingdom", "city": "Leeds"},
    "ecommerce": {"transaction_id": "o-1001", "purchase_revenue": 84.3, "unique_items": "2"},
    "items": [
        {
            "item_id": "lamp-7",
            "item_name": "Desk lamp",
            "item_brand": "lux",
            "item_category": "lighting",
            "price": 39.9,
            "quantity": "2",
            "item_list_index": "(not set)",
            "item_params": [{"key": "rank_id", "value": {"string_value": "r-1"}}],
        },
        {"item_id": "(not set)", "item_name": "Bulb", "item_brand": "(not set)", "item_category": "(not set)", "price": 4.5},
    ],
    "batch_event_index": "3",
}  # fmt: skip


def test_a_payload_becomes_its_events():
    (event,) = map_ga4_payload(ADDED)

    assert event == Event(
        type=EventType.ADD_TO_CART,
        user_id="1467911541.1757593212",
        event_id=event.event_id,
        session_id="1757593212",
        event_time_unix_micros=1_757_593_405_218_000,
        items=[Item(item_id="lamp-7", category="lighting", brand="lux", price=39.9, quantity=2, position=1)],
        country="GB",
        device=Device.MOBILE,
    )


def test_a_row_of_the_export_becomes_an_event():
    event = map_ga4_export_row(PURCHASE_ROW)

    assert event == Event(
        type=EventType.PURCHASE,
        user_id="1467911541.1757593212",
        event_id=event.event_id,
        session_id="1757593212",
        event_time_unix_micros=1_757_595_021_118_000,
        items=[
            Item(item_id="lamp-7", category="lighting", brand="lux", price=39.9, quantity=2, rank_id="r-1"),
            Item(item_id="Bulb", price=4.5),
        ],
        device=Device.DESKTOP,
        order_id="o-1001",
        value=84.3,
        currency="GBP",
    )


def test_a_refund_of_the_export_has_its_own_column():
    row = PURCHASE_ROW | {
        "event_name": "refund",
        "event_params": [],
        "ecommerce": {"transaction_id": "o-1001", "refund_value": 39.9},
        "items": [],
    }
    event = map_ga4_export_row(row)

    assert (event.type, event.order_id, event.value, event.items) == (EventType.REFUND, "o-1001", 39.9, [])


@pytest.mark.parametrize("name", ["search", "view_search_results"])
def test_a_search_has_its_term_as_label(name):
    (event,) = map_ga4_payload({"client_id": "1.2", "events": [{"name": name, "params": {"search_term": "é" * 100}}]})

    assert (event.type, event.labels) == (EventType.SEARCH, {"term": "é" * 64})


def test_only_purchases_and_refunds_have_money():
    (event,) = map_ga4_payload(ADDED)

    assert (event.value, event.currency, event.order_id) == (None, "", "")


def test_the_same_payload_gives_the_same_ids_and_another_one_others():
    first, again = map_ga4_payload(ADDED), map_ga4_payload(copy.deepcopy(ADDED))
    later = map_ga4_payload(ADDED | {"timestamp_micros": ADDED["timestamp_micros"] + 1})
    twice = map_ga4_payload(ADDED | {"events": [ADDED["events"][1]] * 2})

    assert first == again
    assert first[0].event_id != later[0].event_id
    assert twice[0].event_id != twice[1].event_id
    assert map_ga4_export_row(PURCHASE_ROW) == map_ga4_export_row(copy.deepcopy(PURCHASE_ROW))
    assert (
        map_ga4_export_row(PURCHASE_ROW).event_id
        != map_ga4_export_row(PURCHASE_ROW | {"batch_event_index": "4"}).event_id
    )


def test_without_a_time_each_mapping_is_an_event_of_its_own():
    payload = {"client_id": "1.2", "events": [{"name": "page_view"}]}

    assert map_ga4_payload(payload)[0].event_id != map_ga4_payload(payload)[0].event_id


@pytest.mark.parametrize(("prefer_account", "visitor"), [(False, "1.2"), (True, "ada")])
def test_a_device_or_an_account_is_the_visitor(prefer_account, visitor):
    (event,) = map_ga4_payload(
        {"client_id": "1.2", "user_id": "ada", "events": [{"name": "login", "params": {"method": "e-mail"}}]},
        prefer_account=prefer_account,
    )
    row = map_ga4_export_row(PURCHASE_ROW | {"user_pseudo_id": "1.2", "user_id": "ada"}, prefer_account=prefer_account)

    assert (event.user_id, row.user_id) == (visitor, visitor)


def test_apps_have_an_instance_instead_of_a_client():
    (event,) = map_ga4_payload({"app_instance_id": "a1b2", "events": [{"name": "screen_view"}]})

    assert (event.user_id, event.type) == ("a1b2", EventType.PAGE_VIEW)


def test_an_event_without_a_visitor_is_an_error():
    with pytest.raises(ValueError, match="expected client_id or user_id, got neither"):
        map_ga4_payload({"events": [{"name": "page_view"}]})
    with pytest.raises(ValueError, match="expected user_pseudo_id or user_id, got neither"):
        map_ga4_export_row(PURCHASE_ROW | {"user_pseudo_id": None})


@pytest.mark.parametrize("name", ["session_start", "scroll", "view_promotion", "", None, 7])
def test_other_events_are_left_out(name):
    assert map_ga4_payload({"client_id": "1.2", "events": [{"name": name}]}) == []
    assert map_ga4_export_row({"event_name": name}) is None


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ({"item_id": 4711, "price": "39.90", "quantity": "2"}, Item(item_id="4711", price=39.9, quantity=2)),
        ({"item_id": "a", "price": "free", "quantity": 0}, Item(item_id="a")),
        ({"item_id": "a", "price": -1, "quantity": None, "index": "4"}, Item(item_id="a", position=5)),
        ({"item_id": "a", "price": float("nan"), "item_brand": ["x"]}, Item(item_id="a")),
    ],
)
def test_what_cannot_be_read_is_as_if_it_were_missing(item, read):
    (event,) = map_ga4_payload(
        {"client_id": "1.2", "events": [{"name": "view_item", "params": {"items": [item, {}, "b"]}}]}
    )

    assert event.items == [read]


def test_events_of_one_batch_of_an_older_export_are_told_apart_by_what_they_are_about():
    """Older exports have no place in the batch, and give all of a batch one time."""
    old = {key: value for key, value in PURCHASE_ROW.items() if key != "batch_event_index"}
    rows = [old, old | {"items": old["items"][1:]}, old | {"event_params": old["event_params"][:1]}]

    assert len({map_ga4_export_row(row).event_id for row in rows}) == 3


def test_a_row_has_the_same_id_as_json_and_from_the_client():
    """BigQuery writes whole numbers to JSON as texts; its client returns numbers, and None for all that is not set."""
    params = [
        {"key": "ga_session_id", "value": {"string_value": None, "int_value": 1757593212, "float_value": None}},
        *PURCHASE_ROW["event_params"][1:],
    ]
    items = [PURCHASE_ROW["items"][0] | {"quantity": 2}, PURCHASE_ROW["items"][1] | {"quantity": None}]

    returned = map_ga4_export_row(PURCHASE_ROW | {"event_params": params, "items": items, "batch_event_index": 3})
    assert returned.event_id == map_ga4_export_row(PURCHASE_ROW).event_id
