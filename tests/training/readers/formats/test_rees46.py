from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from presage_featurizer.events import MICROS, Event, EventType, Item
from presage_training.errors import LogFormatError
from presage_training.readers import LogFormat, SkippedExample, SkippedRows, read_events

ROW = {
    "event_time": datetime(2019, 10, 1, 0, 0, 1, tzinfo=UTC),
    "event_type": "view",
    "product_id": 17200506,
    "category_id": 2053013559792632471,
    "category_code": "furniture.living_room.sofa",
    "brand": "acme",
    "price": 543.1,
    "user_id": 519107250,
    "user_session": "566511c2",
}


def read(path, rows):
    parquet.write_table(pa.Table.from_pylist(rows), path / "2019-Oct.parquet")
    skipped = SkippedRows()
    return list(read_events(path / "2019-Oct.parquet", LogFormat.REES46, skipped=skipped)), skipped


def test_a_row_is_an_event(tmp_path):
    [event], skipped = read(tmp_path, [ROW])

    assert event == Event(
        event_id="2019-Oct:1",
        type=EventType.VIEW_ITEM,
        user_id="519107250",
        event_time_unix_micros=1_569_888_001 * MICROS,
        session_id="566511c2",
        items=(Item("17200506", "furniture.living_room.sofa", "acme", 543_100_000, 1),),
    )
    assert skipped.total == 0


def test_all_four_types_are_known_and_others_counted(tmp_path):
    names = ["view", "cart", "remove_from_cart", "purchase", "share"]
    events, skipped = read(tmp_path, [ROW | {"event_type": name} for name in names])

    assert [event.type for event in events] == [
        EventType.VIEW_ITEM,
        EventType.ADD_TO_CART,
        EventType.REMOVE_FROM_CART,
        EventType.PURCHASE,
    ]
    what = "expected one of view, cart, remove_from_cart, purchase, got 'share'"
    assert skipped.examples == {"unknown event type in column 'event_type': 'share'": [SkippedExample("row 5", what)]}


def test_missing_cells_mean_unknown(tmp_path):
    gaps = dict.fromkeys(("category_code", "brand", "price", "user_session"))
    _, event = read(tmp_path, [ROW, ROW | gaps])[0]

    assert event.session_id == ""
    assert event.items == (Item("17200506", "2053013559792632471", "", 0, 1),)


@pytest.mark.parametrize("column", ["event_time", "product_id", "user_id"])
def test_a_row_without_what_makes_it_an_event_is_counted(tmp_path, column):
    events, skipped = read(tmp_path, [ROW, ROW | {column: None}, ROW])

    assert [event.event_id for event in events] == ["2019-Oct:1", "2019-Oct:3"]
    [(reason, count)] = skipped.counts.items()
    assert reason.startswith(f"column '{column}': expected a ")
    assert count == 1


@pytest.mark.parametrize("packed", [False, True])
def test_csv_reads_the_same(tmp_path, packed):
    rows = [ROW, ROW | {"category_code": None, "brand": None, "event_type": "cart"}]
    table = pa.Table.from_pylist([row | {"event_time": f"{row['event_time']:%Y-%m-%d %H:%M:%S} UTC"} for row in rows])
    path = tmp_path / ("2019-Oct.csv.gz" if packed else "2019-Oct.csv")
    with pa.output_stream(path) as file:  # packs by the name's suffix
        csv.write_csv(table, file)

    assert list(read_events(path, LogFormat.REES46, skipped=SkippedRows())) == read(tmp_path, rows)[0]


def test_the_whole_file(real_log):
    skipped = SkippedRows()
    events = list(read_events(real_log("rees46_2019_10_01.parquet"), LogFormat.REES46, skipped=skipped))

    assert len(events) == len({event.event_id for event in events}) == 17_434
    assert skipped.total == 0
    assert Counter(event.type for event in events) == {
        EventType.VIEW_ITEM: 17_055,
        EventType.ADD_TO_CART: 165,
        EventType.PURCHASE: 214,
    }
    assert len({event.user_id for event in events}) == 4_504
    assert len({event.session_id for event in events}) == 5_066


def test_times_with_and_without_a_zone_are_refused(tmp_path):
    header, *cells = (
        ",".join(ROW),
        "2019-10-01 00:00:00 UTC,view,1,2,,,1.0,3,s",
        "2019-10-01 00:00:01,view,1,2,,,1.0,3,s",
    )
    (tmp_path / "2019-Oct.csv").write_text("\n".join([header, *cells]))

    with pytest.raises(
        LogFormatError, match=r"2019-Oct\.csv: column 'event_time' has times with a zone .* and without"
    ):
        list(read_events(tmp_path / "2019-Oct.csv", LogFormat.REES46, skipped=SkippedRows()))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("time_zone", ["UTC", "Asia/Tokyo", None])
def test_times_of_any_precision_and_zone_are_the_same_moments(tmp_path, unit, time_zone):
    moment = ROW["event_time"] if time_zone else ROW["event_time"].replace(tzinfo=None)
    table = pa.Table.from_pylist([ROW, ROW])
    place = table.schema.get_field_index("event_time")
    table = table.set_column(place, "event_time", pa.array([moment] * 2, pa.timestamp(unit, time_zone)))
    parquet.write_table(table, tmp_path / "t.parquet", version="2.6")
    events = list(read_events(tmp_path / "t.parquet", LogFormat.REES46, skipped=SkippedRows()))

    assert [event.event_time_unix_micros for event in events] == [1_569_888_001 * MICROS] * 2


def test_a_column_of_lists_is_refused_by_name(tmp_path):
    with pytest.raises(LogFormatError, match=r"column 'brand' holds list<.*>, expected text, numbers or times"):
        read(tmp_path, [ROW | {"brand": ["acme"]}])
