from __future__ import annotations

import json

import pytest

from presage_featurizer.events import EventType
from presage_training.inspecting import propose, read_sample


@pytest.fixture
def proposal(tmp_path):
    """Return a function from the objects of a log to the proposal for it."""

    def of(*objects):
        lines = [{"timestamp": f"2026-01-05T10:00:0{number}Z"} | line for number, line in enumerate(objects)]
        (tmp_path / "log.json").write_text(json.dumps(lines))
        return propose(read_sample(tmp_path / "log.json", rows=1_000))

    return of


def test_a_browser_is_the_visitor_where_most_are_not_logged_in(proposal):
    rows = [
        {"userId": f"u{number // 2}" if number else None, "anonymousId": f"b{number // 2}", "event": "view"}
        for number in range(6)
    ]
    found = proposal(*rows)

    assert found.columns["user_id"] == "anonymousId"
    assert "'userId' is empty in many rows; 'anonymousId', which is not, is read as the visitor" in found.remarks


def test_a_second_column_names_the_events_that_the_first_does_not(proposal):
    found = proposal(
        {"user": "ann", "event": "Product Viewed", "type": "track"}, {"user": "bob", "type": "page"}, {"user": "ann"}
    )

    assert found.columns["event_type"] == ("event", "type")
    assert found.event_types == {"Product Viewed": EventType.VIEW_ITEM, "page": EventType.PAGE_VIEW, "": None}


def test_items_of_orders_are_found_beside_items(proposal):
    found = proposal(
        {"user": "ann", "event": "view", "product": {"sku": "lamp", "price": 3}},
        {"user": "ann", "event": "buy", "order": {"products": [{"sku": "lamp", "price": 3}]}},
    )

    assert found.columns["item_id"] == ("product.sku", "order.products.0.sku")
    assert found.columns["price"] == ("product.price", "order.products.0.price")
    assert "of an array, only the first object is read" in found.remarks
