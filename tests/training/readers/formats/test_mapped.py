from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime

import openpyxl
import pyarrow as pa
import pytest
from msgspec.structs import replace
from pyarrow import parquet

from presage_featurizer import MICROS, Device, Event, EventType, Item, Shown
from presage_training.errors import LogFormatError
from presage_training.readers import LogMapping, MappingError, SkippedExample, SkippedRows, read_events
from presage_training.readers.formats.derived import Split

COLUMNS = {
    "user_id": "visitor",
    "event_type": "action",
    "event_time": "at",
    "event_id": "id",
    "session_id": "visit",
    "item_id": "sku",
    "category": "group",
    "brand": "maker",
    "price": "unit price",
    "quantity": "units",
    "position": "place",
    "rank_id": "list",
    "propensity": "odds",
    "order_id": "order",
    "value": "total",
    "currency": "money",
    "country": "land",
    "device": "screen",
}
ROW = {
    "visitor": "ann",
    "action": "bought",
    "at": "2019-10-01T00:00:01Z",
    "id": "e1",
    "visit": "s1",
    "sku": "lamp",
    "group": "light",
    "maker": "acme",
    "unit price": "2.5",
    "units": "2",
    "place": "3",
    "list": "r1",
    "odds": "0.25",
    "order": "o1",
    "total": "5.25",
    "money": "EUR",
    "land": "Deutschland",
    "screen": "phone",
}
EVENT = Event(
    "e1", EventType.PURCHASE, "ann", 1_569_888_001 * MICROS, "s1",
    (Item("lamp", "light", "acme", 2_500_000, 2, Shown(3, "r1", 0.25)),),
    "DE", Device.MOBILE, "o1", 5_250_000, "EUR",
)  # fmt: skip


def shown(**change):
    item = EVENT.items[0]
    return {"items": (replace(item, shown=replace(item.shown, **change)),)}


def mapping(tmp_path, *, columns=COLUMNS, **fields):
    words = {
        "event_types": {"bought": EventType.PURCHASE, "saw": EventType.VIEW_ITEM, "ping": None},
        "devices": {"phone": Device.MOBILE, "bot": Device.UNSPECIFIED} if "device" in columns else {},
        "countries": {"Deutschland": "DE", "Atlantis": ""} if "country" in columns else {},
    }
    return LogMapping(path=tmp_path / "shop.toml", columns=columns, **words | fields)


def write(path, rows):
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".xlsx":
        workbook = openpyxl.Workbook()
        for row in (list(rows[0]), *(list(row.values()) for row in rows)):
            workbook.active.append(row)
        workbook.save(path)
    else:
        with (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8", newline="") as file:
            if ".jsonl" in path.name:
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    return path


def read(tmp_path, rows, *, name="log.csv", **fields):
    skipped = SkippedRows()
    return list(read_events(write(tmp_path / name, rows), mapping(tmp_path, **fields), skipped=skipped)), skipped


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet", "log.xlsx", "log.jsonl", "log.jsonl.gz"])
def test_a_row_is_an_event_whatever_the_kind_of_file(tmp_path, name):
    events, skipped = read(tmp_path, [ROW, ROW | {"id": "", "action": "saw"}], name=name)

    assert events[0] == EVENT
    assert [(event.event_id, event.type) for event in events] == [
        ("e1", EventType.PURCHASE),
        ("log:2", EventType.VIEW_ITEM),
    ]
    assert skipped.total == 0


ATTRIBUTES = {"numbers.margin": "profit", "numbers.rank": "rank", "labels.channel": "from", "labels.term": "q"}


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet", "log.xlsx", "log.jsonl", "log.jsonl.gz"])
def test_columns_become_attributes(tmp_path, name):
    missing = "" if ".csv" in name else None
    rows = [
        ROW | {"from": "email", "profit": -4.5, "q": "böhm", "rank": 3},
        ROW | {"from": "ads", "profit": missing, "q": missing, "rank": 1},
        ROW | dict.fromkeys(("from", "profit", "q", "rank"), missing),
    ]
    events, skipped = read(tmp_path, rows, name=name, columns=COLUMNS | ATTRIBUTES)

    assert [list(event.numbers.items()) for event in events] == [[("margin", -4.5), ("rank", 3.0)], [("rank", 1.0)], []]
    assert [event.labels for event in events] == [{"channel": "email", "term": "böhm"}, {"channel": "ads"}, {}]
    assert replace(events[0], numbers={}, labels={}) == EVENT
    assert skipped.counts == {}


def test_an_invalid_attribute_costs_the_value_only(tmp_path):
    rows = [
        ROW | {"profit": profit, "from": channel, "q": "x", "rank": "1"}
        for profit, channel in (("a lot", "email"), ("2e12", "é" * 65), ("nan", "7.0"), ("1,250.5 €", "x"))
    ]
    events, skipped = read(tmp_path, rows, columns=COLUMNS | ATTRIBUTES)

    assert [event.numbers for event in events] == [{"rank": 1.0}] * 3 + [{"margin": 1250.5, "rank": 1.0}]
    assert [event.labels for event in events] == [
        {"channel": "email", "term": "x"},
        {"term": "x"},
        {"channel": "7", "term": "x"},
        {"channel": "x", "term": "x"},
    ]
    assert skipped.total == 0
    assert skipped.values == {
        "unreadable number in column 'profit': 'a lot'": 1,
        "number out of range in column 'profit': '2e12'": 1,
        f"label that is too long in column 'from': {'é' * 59 + '…'!r}": 1,
        "number out of range in column 'profit': 'nan'": 1,
    }


def test_attributes_may_come_from_splits_constants_of_several_columns_and_nested_keys(tmp_path):
    columns = {"user_id": "visitor", "event_type": "action", "event_time": "at"}
    columns |= {"labels.first": ("a", "b"), "labels.half": "left", "numbers.deep": "more.depth"}
    rows = [
        {"visitor": "ann", "action": "bought", "at": ROW["at"], "a": "", "b": "B", "ids": "l/r", "more": {"depth": 2}}
    ]
    split = Split(column="ids", into=("left", "right"), separator="/")
    (event,), skipped = read(tmp_path, rows, name="log.jsonl", columns=columns, splits=(split,))

    assert (event.numbers, event.labels) == ({"deep": 2.0}, {"first": "B", "half": "l"})
    assert skipped.counts == {}


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
def test_missing_cells_mean_unknown(tmp_path, name):
    missing = "" if name == "log.csv" else None
    gaps = dict.fromkeys(set(ROW) - {"visitor", "action", "at"}, missing)
    _, event = read(tmp_path, [ROW, ROW | gaps], name=name)[0]

    assert event == Event("log:2", EventType.PURCHASE, "ann", 1_569_888_001 * MICROS)


def test_what_the_log_does_not_tell_is_constant_or_unknown(tmp_path):
    columns = {"user_id": "visitor", "event_time": "at", "item_id": "sku"}
    constants = {"event_type": "VIEW_ITEM", "currency": "GBP", "country": "GB", "device": "TABLET"}
    [event], _ = read(tmp_path, [ROW], columns=columns, event_types={}, constants=constants)

    assert event == Event(
        "log:1",
        EventType.VIEW_ITEM,
        "ann",
        1_569_888_001 * MICROS,
        "",
        (Item("lamp"),),
        "GB",
        Device.TABLET,
        currency="GBP",
    )


def test_one_column_may_be_two_fields(tmp_path):
    for name in ("log.csv", "log.parquet", "log.jsonl", "log.xlsx"):
        [event], _ = read(tmp_path, [ROW], name=name, columns=COLUMNS | {"event_id": "order"})
        assert (event.event_id, event.order_id) == ("o1", "o1")


def test_without_a_table_the_words_are_our_own(tmp_path):
    events, skipped = read(tmp_path, [ROW | {"action": "LOGIN"}, ROW, ROW | {"action": "UNSPECIFIED"}], event_types={})

    assert [event.type for event in events] == [EventType.LOGIN]
    assert skipped.counts == {
        "unknown event type in column 'action': 'bought'": 1,
        "unknown event type in column 'action': 'UNSPECIFIED'": 1,
    }


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
@pytest.mark.parametrize(
    ("cells", "reason", "what"),
    [
        (
            {"action": "hovered"},
            "unknown event type in column 'action': 'hovered'",
            "expected one of bought, saw, ping, got 'hovered'",
        ),
        ({"action": ""}, "unknown event type in column 'action': ''", "got ''"),
        ({"action": "ping"}, "event type that the mapping ignores in column 'action': 'ping'", "'ping' in 'action'"),
        ({"visitor": ""}, "column 'visitor': expected a user_id, got an empty cell", "expected a user_id"),
        ({"at": "soon"}, "column 'at': expected a time, got 'soon'", "expected a time"),
        ({"at": ""}, "column 'at': expected a time, got ''", "expected a time"),
        ({"unit price": "-1"}, "column 'unit price': expected a price from 0 to 1e+09, got -1", "expected a price"),
        ({"units": "-1"}, "column 'units': expected a quantity of at least 1, got '-1'", "expected a quantity"),
        ({"total": "-1"}, "column 'total': expected a value from 0 to 1e+12, got '-1'", "expected a value"),
        ({"total": "nan"}, "column 'total': expected a value from 0 to 1e+12, got 'nan'", "expected a value"),
    ],
)
def test_a_bad_row_is_counted_by_reason_and_costs_no_other(tmp_path, name, cells, reason, what):
    events, skipped = read(tmp_path, [ROW, ROW | cells, ROW | {"id": "e3"}], name=name)

    assert [event.event_id for event in events] == ["e1", "e3"]
    assert skipped.counts == {reason: 1}
    [example] = skipped.examples[reason]
    assert example.where == "row 2"
    assert what in example.what


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
@pytest.mark.parametrize(
    ("cells", "reason", "change"),
    [
        ({"land": "Mars"}, "unknown country in column 'land': 'Mars'", {"country": ""}),
        ({"screen": "fridge"}, "unknown device in column 'screen': 'fridge'", {"device": Device.UNSPECIFIED}),
        ({"money": "euro"}, "unknown currency in column 'money': 'euro'", {"currency": ""}),
        ({"total": "much"}, "unreadable value in column 'total': 'much'", {"value_micros": None}),
        (
            {"unit price": "free"},
            "unreadable price in column 'unit price': 'free'",
            {"items": (replace(EVENT.items[0], price_micros=0),)},
        ),
        (
            {"units": "1.5"},
            "unreadable quantity in column 'units': '1.5'",
            {"items": (replace(EVENT.items[0], quantity=1),)},
        ),
        ({"place": "top"}, "unreadable position in column 'place': 'top'", shown(position=0)),
        ({"place": "1.5"}, "unreadable position in column 'place': '1.5'", shown(position=0)),
        ({"place": "10001"}, "position out of range in column 'place': '10001'", shown(position=0)),
        ({"list": "x" * 65}, f"rank_id that is too long in column 'list': {'x' * 59 + '…'!r}", shown(rank_id="")),
        ({"odds": "likely"}, "unreadable propensity in column 'odds': 'likely'", shown(propensity=0.0)),
        ({"odds": "1.5"}, "propensity out of range in column 'odds': '1.5'", shown(propensity=0.0)),
    ],
)
def test_an_unreadable_optional_value_is_lost_without_its_row(tmp_path, name, cells, reason, change):
    events, skipped = read(tmp_path, [ROW, ROW | cells], name=name)

    assert events == [EVENT, replace(EVENT, **change)]
    assert skipped.total == 0
    assert skipped.values == {reason: 1}
    assert skipped.examples[reason][0].where == "row 2"


def test_the_case_of_words_does_not_matter(tmp_path):
    [event], skipped = read(tmp_path, [ROW | {"action": "BOUGHT", "land": "de", "screen": "mobile", "money": "eur"}])

    assert event == EVENT
    assert skipped.counts == {}


def test_words_may_mean_nothing(tmp_path):
    [event], _ = read(tmp_path, [ROW | {"land": "Atlantis", "screen": "bot"}])

    assert (event.country, event.device) == ("", Device.UNSPECIFIED)


@pytest.mark.parametrize(
    ("cell", "fields"),
    [
        (1_569_888_001, {"time_unit": "s"}),
        (1_569_888_001_000, {"time_unit": "ms"}),
        (1_569_888_001_000_000_000, {"time_unit": "ns"}),
        ("01.10.2019 02:00:01", {"time_format": "%d.%m.%Y %H:%M:%S", "time_zone": "Europe/Berlin"}),
        ("01.10.2019 02:00:01 +0200", {"time_format": "%d.%m.%Y %H:%M:%S %z"}),
        ("2019-10-01 01:00:01", {"time_zone": "Europe/London"}),
        ("2019-10-01 00:00:01 UTC", {}),
    ],
)
@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
def test_times_are_read_as_the_mapping_says(tmp_path, name, cell, fields):
    [event], _ = read(tmp_path, [ROW | {"at": cell}], name=name, **fields)

    assert event.event_time_unix_micros == 1_569_888_001 * MICROS


def test_typed_times_need_nothing_but_a_zone(tmp_path):
    zoned, naive = datetime(2019, 10, 1, 0, 0, 1, tzinfo=UTC), datetime.fromisoformat("2019-10-01T01:00:01")
    [first], _ = read(tmp_path, [ROW | {"at": zoned}], name="log.parquet")
    [second], _ = read(tmp_path, [ROW | {"at": naive}], name="log.parquet", time_zone="Europe/London")
    [third], _ = read(tmp_path, [ROW | {"at": naive}], name="log.xlsx", time_zone="Europe/London")

    assert first == second == third == EVENT


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
def test_mixed_time_zones_are_refused(tmp_path, name):
    rows = [ROW, ROW | {"at": "2019-10-01 01:00:01"}]

    with pytest.raises(LogFormatError) as failure:
        read(tmp_path, rows, name=name, time_zone="Europe/London")
    assert f"{tmp_path / name}: column 'at' has times with a zone (2019-10-01T00:00:01Z) and without" in str(
        failure.value
    )


def test_times_without_a_zone_are_not_guessed(tmp_path):
    with pytest.raises(LogFormatError) as failure:
        read(tmp_path, [ROW | {"at": "2019-10-01 01:00:01"}])
    assert "log.csv: column 'at' has times without a zone: 2019-10-01 01:00:01" in str(failure.value)
    assert f"Say in {tmp_path / 'shop.toml'} which zone that is: [event_time] time_zone = " in str(failure.value)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.xlsx"])
def test_a_missing_column_is_one_clear_error(tmp_path, name):
    with pytest.raises(LogFormatError, match=r"log\..*: no column 'sku' among 'visitor', 'action'"):
        read(tmp_path, [{name: cell for name, cell in ROW.items() if name != "sku"}], name=name)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet", "log.jsonl"])
def test_a_mapping_that_hits_nothing_is_an_error_with_an_example(tmp_path, name):
    rows = [ROW | {"action": "hovered"}] * 3 + [ROW | {"visitor": ""}]

    with pytest.raises(MappingError) as failure:
        read(tmp_path, rows, name=name)
    assert str(failure.value) == (
        f"{tmp_path / 'shop.toml'}: no row of {tmp_path / name} became an event: unknown event type in column 'action': 'hovered', "
        "for example row 1: "
        "expected one of bought, saw, ping, got 'hovered'. Fix the mapping there, or name the one for this log."
    )


def test_json_lines_without_a_needed_key_are_an_error(tmp_path):
    with pytest.raises(
        MappingError, match=r"column 'visitor': expected a user_id, got an empty cell, for example row 1"
    ):
        read(tmp_path, [{name: cell for name, cell in ROW.items() if name != "visitor"}], name="log.jsonl")


def test_an_empty_log_is_no_failure(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    (tmp_path / "log.csv").write_text(",".join(ROW) + "\n")

    for name in ("log.jsonl", "log.csv"):
        assert list(read_events(tmp_path / name, mapping(tmp_path), skipped=SkippedRows())) == []


def test_objects_in_objects_have_dots_between_their_keys(tmp_path):
    columns = {
        "user_id": "user.id",
        "event_type": "type",
        "event_time": "at",
        "brand": "a.b",
        "item_id": "item.deep.id",
    }
    row = {"user": {"id": 7}, "type": "saw", "at": ROW["at"], "a.b": "acme", "item": {"deep": {"id": "lamp"}}}
    events, _ = read(tmp_path, [row, row | {"item": None}], name="log.jsonl", columns=columns)

    assert [(event.user_id, event.items) for event in events] == [("7", (Item("lamp", brand="acme"),)), ("7", ())]


def test_an_object_in_an_array_has_its_number_as_a_key(tmp_path):
    columns = {"user_id": "visitor", "event_type": "action", "event_time": "at", "item_id": "items.0.id"}
    row = {"visitor": "ann", "action": "saw", "at": ROW["at"]}
    rows = [row | {"items": items} for items in ([{"id": "lamp"}, {"id": "sofa"}], [], None)]
    events, _ = read(tmp_path, rows, name="log.jsonl", columns=columns)

    assert [event.items for event in events] == [(Item("lamp"),), (), ()]


def test_lines_that_are_no_flat_objects_are_counted(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [
        json.dumps(ROW | cells)
        for cells in ({}, {"visitor": ["ann"]}, {"visitor": {}}, {"visitor": True}, {"visitor": 1})
    ]
    path.write_text("\n".join(["nonsense", "", "[]", *lines]))
    skipped = SkippedRows(max_examples=9)
    events = list(read_events(path, mapping(tmp_path), skipped=skipped))

    assert [event.user_id for event in events] == ["ann", "true", "1"]
    assert skipped.total == 4
    examples = [example for examples in skipped.examples.values() for example in examples]
    assert [example.where for example in examples] == ["line 1", "line 3", "line 5", "line 6"]
    assert "unreadable line: expected text or a number in 'visitor', got an array" in skipped.counts


def test_row_numbers_and_reasons_are_exact_in_long_logs(tmp_path):
    rows = [ROW | {"id": "", "action": "hovered" if number % 7 == 0 else "saw"} for number in range(1, 30_001)]
    for name in ("log.csv", "log.parquet", "log.jsonl"):
        events, skipped = read(tmp_path, rows, name=name)
        assert [event.event_id for event in events] == [f"log:{number}" for number in range(1, 30_001) if number % 7]
        reason = "unknown event type in column 'action': 'hovered'"
        assert skipped.counts == {reason: 4_285}
        assert [example.where for example in skipped.examples[reason]] == ["row 7", "row 14", "row 21"]


def test_a_damaged_archive_is_refused_by_name(tmp_path):
    path = write(tmp_path / "log.jsonl.gz", [ROW] * 1_000)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(LogFormatError, match=r"log\.jsonl\.gz: cannot be unpacked"):
        list(read_events(path, mapping(tmp_path), skipped=SkippedRows()))


def test_skips_of_an_earlier_log_are_no_fault_of_this_one(tmp_path):
    skipped = SkippedRows()
    skipped.add("unreadable row", where="row 1", what="of another log")
    (tmp_path / "log.csv").write_text(",".join(ROW) + "\n")

    assert list(read_events(tmp_path / "log.csv", mapping(tmp_path), skipped=skipped)) == []
    assert skipped.examples == {"unreadable row": [SkippedExample("row 1", "of another log")]}
