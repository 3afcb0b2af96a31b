from __future__ import annotations

import csv

import pytest
from training.logs import shop

from presage_featurizer import MICROS, EventType
from presage_training.inspecting import mapping_toml, propose, read_sample
from presage_training.readers import SkippedRows, load_mapping, read_events

EVENTS = shop(visitors=200)


@pytest.fixture
def proposal(tmp_path):
    """Return a function from rows without a header to the proposal for them, which also checks that it can be read."""

    def of(rows, separator=","):
        with (tmp_path / "log.csv").open("w", newline="") as file:
            csv.writer(file, delimiter=separator).writerows(rows)
        sample = read_sample(tmp_path / "log.csv", rows=50_000)
        found = propose(sample)
        (tmp_path / "shop.toml").write_text(mapping_toml(sample, found))
        skipped = SkippedRows()
        events = list(read_events(tmp_path / "log.csv", load_mapping(tmp_path / "shop.toml"), skipped=skipped))
        assert (len(events), skipped.total) == (len(rows), 0)
        return found

    return of


def item_cells(event):
    item = event.items[0] if event.items else None
    return [item.item_id, item.category, item.price_micros / MICROS, item.quantity] if item else [""] * 4


def test_every_column_is_found_by_its_cells(proposal):
    rows = [
        [event.event_time_unix_micros // 1_000, event.device.name.lower(), event.session_id, event.user_id, "EUR",
         event.type.name.lower(), *item_cells(event), event.order_id, "https://shop.example/", "de"]
        for event in EVENTS
    ]  # fmt: skip
    found = proposal(rows)

    assert found.columns == {
        "event_type": "column_6", "event_time": "column_1", "user_id": "column_4", "session_id": "column_3",
        "item_id": "column_7", "category": "column_8", "price": "column_9", "quantity": "column_10",
        "order_id": "column_11", "currency": "column_5", "country": "column_13", "device": "column_2",
    }  # fmt: skip
    assert found.unplaced == ["column_12"]
    assert "the first line holds no names: the columns are numbered, and were guessed from their cells" in found.remarks


def test_sessions_and_items_alone(proposal):
    """As in a data set of clicks: a session, a time, an item and its category, all of them numbers."""
    numbers: dict[str, int] = {}
    views = [event for event in EVENTS if event.type is EventType.VIEW_ITEM]
    rows = [
        [numbers.setdefault(event.session_id, len(numbers) + 10_000), event.event_time_unix_micros / MICROS,
         numbers.setdefault(event.items[0].item_id, len(numbers) + 10_000), len(event.items[0].category)]
        for event in views
    ]  # fmt: skip
    found = proposal(rows, separator="\t")

    assert (found.columns["user_id"], found.columns["item_id"]) == ("column_1", "column_3")
    assert found.constants["event_type"] == "VIEW_ITEM"


def test_two_ids_in_one_column_are_found_without_a_name(proposal):
    rows = [
        [f"{event.user_id}/{event.session_id}", event.event_time_unix_micros, event.type.name.lower()]
        for event in EVENTS
    ]
    [split] = proposal(rows).splits

    assert (split.column, split.separator) == ("column_1", "/")


def test_the_total_on_purchases_is_the_value(proposal):
    rows = [
        [event.event_time_unix_micros // MICROS, event.user_id, event.type.name.lower(), *item_cells(event)[:3],
         event.money_micros / MICROS if event.type is EventType.PURCHASE else ""]
        for event in EVENTS
    ]  # fmt: skip
    columns = proposal(rows).columns

    assert (columns["price"], columns["value"]) == ("column_6", "column_7")


def test_whole_numbers_beside_a_quantity_are_prices(proposal):
    rows = [
        [event.event_time_unix_micros // MICROS, event.user_id, event.type.name.lower(), event.items[0].item_id,
         event.items[0].price_micros // 10_000, event.items[0].quantity]
        for event in EVENTS
        if event.items
    ]  # fmt: skip
    columns = proposal(rows).columns

    assert (columns["item_id"], columns["price"], columns["quantity"]) == ("column_4", "column_5", "column_6")
