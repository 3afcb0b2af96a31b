"""Events as rows: written and read again, they are the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from pyarrow import parquet

from presage_featurizer import Event, EventType, encode_event
from presage_featurizer.event_log import EVENT_COLUMNS, Entry, EntryId
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_training.readers.formats.archive import read_archive
from presage_training.readers.skipped_rows import SkippedRows
from support.events import DAY_MICROS, MICROS, START_UNIX_MICROS, STORY, any_log

FULL = Event(
    "e-1",
    EventType.PURCHASE,
    "böhm",
    START_UNIX_MICROS + 1,
    "tab",
    STORY[3].items,
    "GB",
    STORY[0].device,
    "o-1",
    0,
    "GBP",
    START_UNIX_MICROS,
    {"margin": 0.1, "rank": -3.0},
    {"channel": "", "term": "böhm"},
)


def entry(encoded: bytes, place: int, *, fresh: bool = False) -> Entry:
    return Entry(place % 7, EntryId(START_UNIX_MICROS // 1_000, place), encoded, fresh)


def archived(directory: Path, *batches: list[Entry]) -> None:
    with open_folder(directory, new_id=lambda: "test") as folder:
        for batch in batches:
            folder.commit(parts_by_day(batch), positions={}, entries=len(batch))


@given(any_log(max_events=8))
def test_any_event_is_read_as_it_was(log):
    entries = [entry(encode_event(event), place, fresh=place % 3 == 0) for place, event in enumerate(log)]
    with tempfile.TemporaryDirectory() as directory:
        archived(Path(directory), entries)
        read = list(read_archive(Path(directory), skipped=SkippedRows()))
    in_order = sorted(range(len(log)), key=lambda place: (place % 7, place))
    assert [(each.event, each.fresh) for each in read] == [(log[place], place % 3 == 0) for place in in_order]


def test_every_field_of_an_event_has_a_column():
    fields = {field.name for field in msgspec.structs.fields(Event)}
    assert (fields - {"event_time_unix_micros"}) | {"event_time"} <= {column.name for column in EVENT_COLUMNS}
    assert all(getattr(FULL, field.name) != field.default for field in msgspec.structs.fields(Event)), (
        "give the new field a value here"
    )


def test_many_rows_keep_their_items_and_their_order_over_batches_and_days(tmp_path):
    """More rows than a reader turns into events at once, and batches whose days overlap."""
    events = [
        msgspec.structs.replace(
            STORY[place % len(STORY)],
            event_id=str(place),
            event_time_unix_micros=START_UNIX_MICROS + place * 7919 % 3 * DAY_MICROS,
            numbers={"place": float(place), "rank": 0.5} if place % 5 else {},
            labels={"place": str(place)} if place % 7 == 0 else {},
        )
        for place in range(20_000)
    ]
    entries = [
        Entry(5, EntryId(1, place), encode_event(event), no_prior_state=False) for place, event in enumerate(events)
    ]
    archived(tmp_path, entries[:12_000], entries[12_000:])
    assert [each.event for each in read_archive(tmp_path, skipped=SkippedRows())] == events
    assert len(list(tmp_path.glob("events/*/*"))) == 6


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="not an event"),
        pytest.param(b"garbage", id="damaged"),
        pytest.param(encode_event(msgspec.structs.replace(FULL, value_micros=2**63)), id="too much money"),
        pytest.param(encode_event(msgspec.structs.replace(FULL, event_time_unix_micros=2**62)), id="too late a time"),
    ],
)
def test_an_event_that_has_no_row_is_kept_as_it_came_and_holds_nothing_up(tmp_path, encoded):
    archived(tmp_path, [entry(encoded, 1), entry(encode_event(FULL), 8)])
    (path,) = tmp_path.glob("events/day=2024-06-03/*")
    rows = parquet.ParquetFile(path).read().to_pylist()
    assert [row["unreadable_event"] for row in rows] == [encoded, None]
    assert [row["user_id"] for row in rows] == [None, "böhm"]


def test_an_event_that_cannot_be_read_is_left_out_by_name(tmp_path):
    archived(tmp_path, [entry(b"garbage", 1), entry(encode_event(FULL), 8, fresh=True)])
    skipped = SkippedRows()
    (read,) = read_archive(tmp_path, skipped=skipped)
    assert (read.event, read.fresh) == (FULL, True)
    (example,) = skipped.examples["unreadable event"]
    assert example.where == f"partition 1, entry {START_UNIX_MICROS // 1_000}-1"
    assert "expected CRC-32" in example.what


def test_an_event_belongs_to_its_own_day_in_utc(tmp_path):
    midnight = START_UNIX_MICROS - START_UNIX_MICROS % DAY_MICROS
    times = (midnight - 1, midnight, midnight + DAY_MICROS - 1, midnight + DAY_MICROS, MICROS)
    events = [msgspec.structs.replace(FULL, event_time_unix_micros=time) for time in times]
    archived(tmp_path, [entry(encode_event(event), place) for place, event in enumerate(events)])
    rows = {
        path.name.removeprefix("day="): [parquet.ParquetFile(file).metadata.num_rows for file in path.iterdir()]
        for path in (tmp_path / "events").iterdir()
    }
    assert rows == {"1970-01-01": [1], "2024-06-02": [1], "2024-06-03": [2], "2024-06-04": [1]}
