from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import event_pb2
from presage_featurizer import MAX_UNIX_MICROS
from presage_featurizer.events import ATTRIBUTE_NAME, MAX_POSITION, Device, Event, EventType, Item, Shown
from presage_training.errors import LogFormatError
from presage_training.readers import LogFormat, SkippedExample, SkippedRows, read_events, write_presage_log
from presage_training.simulator import simulate

LINE = {"event_id": "e1", "type": "VIEW_ITEM", "user_id": "u1", "event_time_unix_micros": 1_700_000_000_000_000}


def read(path):
    skipped = SkippedRows()
    return list(read_events(path, LogFormat.PRESAGE, skipped=skipped)), skipped


def write(path, *lines: dict | bytes):
    file = path / "shop.jsonl"
    file.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return file


@pytest.mark.parametrize("name", ["shop.jsonl", "shop.jsonl.gz"])
def test_simulated_events_come_back_as_they_were(tmp_path, name):
    events = simulate(seed=3, visitors=60, start_unix_micros=1_735_689_600_000_000)

    assert write_presage_log(tmp_path / name, events) == len(events)
    read_again, skipped = read(tmp_path / name)
    assert read_again == events
    assert skipped.total == 0


def test_the_same_events_make_the_same_packed_bytes(tmp_path):
    events = simulate(seed=3, visitors=3, start_unix_micros=1_735_689_600_000_000)
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_presage_log(tmp_path / name, events)

    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ids = texts.filter(bool)
names = st.from_regex(ATTRIBUTE_NAME, fullmatch=True)
items = st.builds(
    Item,
    item_id=ids,
    category=texts,
    brand=texts,
    price_micros=st.integers(0, 10**15),
    quantity=st.integers(1, 1_000_000),
    # Read as None where nothing is said.
    shown=st.none()
    | st.builds(Shown, st.integers(0, MAX_POSITION), texts, st.floats(0, 1)).filter(lambda shown: shown != Shown()),
)
events = st.builds(
    Event,
    event_id=ids,
    type=st.sampled_from(sorted(set(EventType) - {EventType.UNSPECIFIED})),
    user_id=ids,
    event_time_unix_micros=st.integers(1, MAX_UNIX_MICROS),
    session_id=texts,
    items=st.lists(items, max_size=3).map(tuple),
    country=st.sampled_from(["", "DE"]),
    device=st.sampled_from(Device),
    order_id=texts,
    value_micros=st.none() | st.integers(0, 2 * 10**15),
    currency=st.sampled_from(["", "EUR"]),
    numbers=st.dictionaries(names, st.floats(-1e12, 1e12), max_size=3),
    labels=st.dictionaries(names, texts, max_size=3),
)


@given(written=st.lists(events, max_size=4))
def test_any_event_comes_back_as_it_was(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("log") / "any.jsonl"
    write_presage_log(path, written)

    assert read(path)[0] == written


def test_the_names_are_those_of_the_contract(tmp_path):
    event = Event(
        "e", EventType.PURCHASE, "u", 1, "s", (Item("i", "c", "b", 1, 2, Shown(3, "r", 0.5)),), "DE", Device.MOBILE, "o", 2, "EUR",
        numbers={"margin": 1.5}, labels={"channel": "email"},
    )  # fmt: skip
    write_presage_log(tmp_path / "all.jsonl", [event])
    written = json.loads((tmp_path / "all.jsonl").read_text())

    assert set(written) == set(event_pb2.Event.DESCRIPTOR.fields_by_name)
    assert set(written["items"][0]) == set(event_pb2.Item.DESCRIPTOR.fields_by_name)


def test_the_contracts_prefixes_are_accepted(tmp_path):
    [event], _ = read(write(tmp_path, LINE | {"type": "EVENT_TYPE_LOGIN", "device": "DEVICE_TABLET"}))

    assert event.type is EventType.LOGIN
    assert event.device is Device.TABLET


def test_an_event_without_an_id_is_named_after_its_line(tmp_path):
    without_id = {name: value for name, value in LINE.items() if name != "event_id"}
    events, _ = read(write(tmp_path, LINE, without_id))

    assert [event.event_id for event in events] == ["e1", "shop:2"]


def test_empty_lines_are_passed_over(tmp_path):
    events, skipped = read(write(tmp_path, b"", LINE, b"  "))

    assert [event.event_id for event in events] == ["e1"]
    assert skipped.total == 0


def test_an_unknown_key_is_passed_over_and_told_with_the_known_one_that_may_be_meant(tmp_path):
    items = [{"item_id": "i", "quantitiy": 2, "price": 3}, {"item_id": "j", "quantitiy": 4}]
    known = LINE | {"items": [{"item_id": "i", "price": 3}, {"item_id": "j"}]}
    misspelt = LINE | {"amout": 5.0, "items": items, "campaign": "summer"}
    events, skipped = read(write(tmp_path, known, misspelt, misspelt))

    assert events == [events[0]] * 3
    assert skipped.counts == {
        "unknown key 'items.quantitiy', ignored, first on line 2; is 'items.quantity' meant?": 2,
        "unknown key 'amout', ignored, first on line 2; is 'value' meant?": 2,
        "unknown key 'campaign', ignored, first on line 2": 2,
    }


def test_an_unknown_key_is_told_where_it_leaves_a_line_without_one_that_is_needed(tmp_path):
    line = {name: value for name, value in LINE.items() if name != "type"}
    events, skipped = read(write(tmp_path, line | {"event_tipe": "LOGIN"}))

    assert events == []
    assert skipped.counts == {
        "unknown key 'event_tipe', ignored, first on line 1; is 'type' meant?": 1,
        "unreadable line: Object missing required field `type`": 1,
    }


def test_unknown_keys_without_end_are_told_in_a_few_words(tmp_path):
    events, skipped = read(write(tmp_path, *(LINE | {f"{number}\x1b[2J" + "x" * 999: 1} for number in range(50))))

    assert len(events) == 50
    assert len(skipped.counts) == 11
    assert skipped.counts["more unknown keys, ignored"] == 40
    assert all(reason.isprintable() and len(reason) < 100 for reason in skipped.counts)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (b"not json", "malformed"),
        (b'{"event_id": "e', ': {"event_id": "e'),
        (b'{"user_id": "\xff"}', "utf-8"),
        (b"[]", "Expected `object`"),
        (LINE | {"type": "HOVER"}, "expected the name of an event type such as VIEW_ITEM, got 'HOVER'"),
        (LINE | {"type": "UNSPECIFIED"}, "event type"),
        (LINE | {"user_id": ""}, "user_id"),
        (LINE | {"event_time_unix_micros": 0}, "event_time_unix_micros"),
        (LINE | {"event_time_unix_micros": MAX_UNIX_MICROS + 1}, "event_time_unix_micros"),
        (LINE | {"items": [{"item_id": "i", "price": -1}]}, "items[0].price"),
        (LINE | {"items": [{"item_id": "i", "quantity": 0}]}, "items[0].quantity"),
        (LINE | {"items": [{"price": 1}]}, "item_id"),
        (LINE | {"items": [{"item_id": "i", "position": MAX_POSITION + 1}]}, "items[0].position"),
        (LINE | {"items": [{"item_id": "i", "propensity": 1.5}]}, "items[0].propensity"),
        (LINE | {"value": -1}, "value"),
        (json.dumps(LINE | {"value": 0}).replace("0}", "1e999}").encode(), "out of range"),
    ],
)
def test_a_corrupt_line_is_counted_shown_and_skipped(tmp_path, bad, what):
    events, skipped = read(write(tmp_path, LINE, bad, LINE | {"event_id": "e2"}))

    assert [event.event_id for event in events] == ["e1", "e2"]
    [(reason, examples)] = skipped.examples.items()
    assert reason.startswith("unreadable line: ")
    [example] = examples
    assert example.where == "line 2"
    assert what in example.what


def test_an_unknown_device_costs_the_device_only(tmp_path):
    events, skipped = read(write(tmp_path, LINE | {"device": "FRIDGE"}))

    assert [event.device for event in events] == [Device.UNSPECIFIED]
    assert skipped.total == 0
    assert skipped.values == {"unknown device in 'device': 'FRIDGE'": 1}


def test_attributes_are_sorted_by_their_names(tmp_path):
    [event], skipped = read(
        write(tmp_path, LINE | {"numbers": {"rank": 2, "margin": -0.5}, "labels": {"term": "x", "channel": ""}})
    )

    assert list(event.numbers.items()) == [("margin", -0.5), ("rank", 2.0)]
    assert type(event.numbers["rank"]) is float
    assert list(event.labels.items()) == [("channel", ""), ("term", "x")]
    assert skipped.counts == {}


def test_an_invalid_attribute_costs_the_value_only(tmp_path):
    numbers = {"margin": "4,50", "yes": True, "nothing": None, "far": 1.1e12, "Rank": 1.0, "ok": 1}
    labels = {"channel": 7, "term": "é" * 65, "a b": "x", "ok": "é" * 64}
    events, skipped = read(write(tmp_path, LINE | {"numbers": numbers, "labels": labels}))

    assert [(event.numbers, event.labels) for event in events] == [({"ok": 1.0}, {"ok": "é" * 64})]
    assert skipped.total == 0
    assert skipped.values == {
        "invalid name in 'numbers': 'Rank'": 1,
        "number out of range in 'numbers.far': '1100000000000.0'": 1,
        "unreadable number in 'numbers.margin': '4,50'": 1,
        "unreadable number in 'numbers.nothing': 'None'": 1,
        "unreadable number in 'numbers.yes': 'True'": 1,
        "invalid name in 'labels': 'a b'": 1,
        "unreadable label in 'labels.channel': '7'": 1,
        f"label that is too long in 'labels.term': {'é' * 39 + '…'!r}": 1,
    }
    examples = {example for examples in skipped.examples.values() for example in examples}
    assert SkippedExample("line 1", "expected a number, got '4,50'") in examples


def test_more_attributes_than_an_event_holds_are_lost(tmp_path):
    [event], skipped = read(write(tmp_path, LINE | {"labels": {f"name_{number:02}": "x" for number in range(18)}}))

    assert list(event.labels) == [f"name_{number:02}" for number in range(16)]
    assert skipped.values == {"more than 16 labels: the last ones by name": 2}


def test_attributes_that_are_no_object_cost_the_line(tmp_path):
    events, skipped = read(write(tmp_path, LINE | {"numbers": [4.5]}))

    assert events == []
    assert list(skipped.counts) == ["unreadable line: Expected `object`, got `array` - at `$.numbers`"]


def test_a_misspelt_key_of_attributes_is_suggested(tmp_path):
    _, skipped = read(write(tmp_path, LINE | {"label": {"channel": "email"}, "numbrs": {"margin": 1}}))

    assert list(skipped.counts) == [
        "unknown key 'label', ignored, first on line 1; is 'labels' meant?",
        "unknown key 'numbrs', ignored, first on line 1; is 'numbers' meant?",
    ]


def test_a_damaged_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "shop.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"user_id": "u"}\n' * 1000)[:-20])

    with pytest.raises(LogFormatError, match=r"shop\.jsonl\.gz"):
        read(path)
