"""A log of mapped events is read as the events that a server gets."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from presage_client import Device, Event, EventType, Item
from presage_client.mapping import to_log_line
from presage_featurizer import events as featurized
from presage_training.readers.formats.presage_log import read_presage_log
from presage_training.readers.skipped_rows import SkippedRows

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
amounts = st.integers(0, 10**9).map(lambda cents: cents / 100)
items = st.builds(
    Item, item_id=words, category=words, price=amounts, quantity=st.integers(1, 9), position=st.integers(0, 9)
)
events = st.builds(
    Event,
    type=st.sampled_from([kind for kind in EventType if kind]),
    user_id=words,
    event_id=words,
    session_id=words,
    event_time_unix_micros=st.integers(1, 2 * 10**15),
    items=st.lists(items, max_size=3),
    device=st.sampled_from(Device),
    value=st.none() | amounts,
    order_id=words,
    labels=st.dictionaries(st.sampled_from(["term", "list"]), words),
)


@settings(max_examples=30)
@given(st.lists(events, max_size=3))
def test_a_line_is_read_as_the_event_that_was_written(tmp_path_factory, sent):
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    path.write_text("".join(map(to_log_line, sent)), newline="")
    skipped = SkippedRows()

    read = list(read_presage_log(path, skipped=skipped))

    assert skipped.total == 0
    assert [(event.event_id, event.type.name, event.user_id, event.session_id) for event in read] == [
        (event.event_id, event.type.name, event.user_id, event.session_id) for event in sent
    ]
    for event, original in zip(read, sent, strict=True):
        assert event.event_time_unix_micros == original.event_time_unix_micros
        assert (event.device.name, event.order_id, event.labels) == (
            original.device.name,
            original.order_id,
            original.labels,
        )
        assert event.value_micros == (None if original.value is None else featurized.money_micros(original.value))
        assert [(item.item_id, item.category, item.price_micros, item.quantity) for item in event.items] == [
            (item.item_id, item.category, featurized.money_micros(item.price), item.quantity) for item in original.items
        ]


def test_a_line_is_one_line():
    line = to_log_line(Event(type=EventType.SEARCH, user_id="a", labels={"term": "two\nlines"}))

    assert line.count("\n") == 1
    assert json.loads(line)["type"] == "SEARCH"
