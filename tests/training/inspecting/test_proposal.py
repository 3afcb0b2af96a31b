from __future__ import annotations

import pytest

from presage_featurizer.events import EventType
from presage_training.inspecting import mapping_toml, propose, read_sample


@pytest.fixture
def proposal(tmp_path):
    """Return a function from the lines of a log to the proposal for it."""

    def of(*lines: str):
        (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
        return propose(read_sample(tmp_path / "log.csv", rows=1_000))

    return of


def test_a_whole_id_is_not_split_where_its_parts_do_not_repeat(proposal):
    found = proposal("client_id,event,time", *(f"{n}.{n + 7},view,2026-01-05T10:00:0{n}Z" for n in range(1, 9)))

    assert found.columns["user_id"] == "client_id"
    assert found.splits == []


def test_two_ids_are_split_by_what_stands_between_them(proposal):
    rows = [f"u{n % 3}|s{n % 5},view,2026-01-05T10:00:0{n}Z" for n in range(9)]
    [split] = proposal("ids,event,time", *rows).splits

    assert (split.column, split.separator) == ("ids", "|")


def test_an_order_log_has_one_type_of_event(proposal):
    found = proposal("customer,order,sku,price,when", "ann,o1,lamp,$3.50,2026-01-05T10:00:00Z")

    assert found.constants == {"event_type": "PURCHASE", "currency": "USD"}
    assert "no column names the type of event" in found.remarks[0]


def test_an_amount_on_views_is_a_price(proposal):
    lines = ["ann,view,lamp,3.5,2026-01-05T10:00:00Z", "bob,buy,lamp,3.5,2026-01-05T10:00:01Z"]

    assert proposal("user,event,sku,amount,time", *lines).columns["price"] == "amount"


def test_what_is_not_placed_is_named(proposal, tmp_path):
    found = proposal("user,event,time,weather,price", "ann,hover,2026-01-05 10:00:00,rain,3")

    assert found.unplaced == ["weather", "price"]
    assert found.event_types == {"hover": None}
    assert "price ('price') is left out, because no column names the item" in found.remarks
    text = mapping_toml(read_sample(tmp_path / "log.csv", rows=9), found)
    assert "# not used: weather, price\n" in text
    assert 'hover = "IGNORE"  # not known\n' in text
    assert 'time_zone = "UTC"  # the log does not say' in text


def test_known_words_find_the_event_under_any_name(proposal):
    found = proposal("user,x7,time", "ann,view,2026-01-05T10:00:00Z", "ann,purchase,2026-01-05T10:00:01Z")

    assert found.columns["event_type"] == "x7"
    assert found.event_types == {"view": EventType.VIEW_ITEM, "purchase": EventType.PURCHASE}
