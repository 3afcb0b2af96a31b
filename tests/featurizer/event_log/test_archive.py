"""The layout of the archive, which no release may change without raising its version."""

from __future__ import annotations

import msgspec
import pytest

from presage_featurizer import CorruptStateError, Event, Item, NewerStateError, Shown
from presage_featurizer.event_log import (
    ARCHIVE_VERSION,
    CATALOGUE_CHANGES,
    CHECKPOINT_FILE,
    EVENT_COLUMNS,
    EVENTS,
    EXPOSURE_ARRAYS,
    EXPOSURE_COLUMNS,
    EXPOSURES,
    ITEM_COLUMNS,
    NEWER_EXPOSURE_COLUMNS,
    NEWER_VECTOR_COLUMNS,
    PLACE_COLUMNS,
    VECTOR_COLUMNS,
    VECTORS,
    CatalogueCheckpoint,
    Checkpoint,
    EntryId,
    Exposure,
    Position,
    ServedVector,
    batch_of,
    day_folder,
    decode_checkpoint,
    encode_checkpoint,
    part_file,
    staged_file,
)
from presage_featurizer.event_log.catalogue import CATALOGUE_COLUMNS
from presage_featurizer.ranking.items_counter import CatalogueChange

DAY_MICROS = 86_400_000_000
LAST_UNIX_MICROS = 253_402_300_799_999_999
"""The end of year 9999."""
CHECKPOINT = Checkpoint(
    archive_id="id",
    batch=2,
    files=("events/day=2026-01-31/part-0000000002.parquet",),
    archived=7,
    positions={3: Position(EntryId(7, 1), counted=2, lost=1), 4: Position()},
)
ENCODED = (
    b'{"archive_id":"id","version":1,"batch":2,"files":["events/day=2026-01-31/part-0000000002.parquet"],"archived":7,'
    b'"positions":{"3":{"last":[7,1],"counted":2,"lost":1},"4":{"last":[0,0],"counted":null,"lost":0}}}'
)


def test_the_bytes_of_a_checkpoint_never_change():
    assert (CHECKPOINT_FILE, ARCHIVE_VERSION) == ("archive.json", 1)
    assert encode_checkpoint(CHECKPOINT) == ENCODED
    assert decode_checkpoint(ENCODED) == CHECKPOINT


def test_a_checkpoint_says_how_far_the_catalogue_is_archived_if_it_is():
    catalogue = CatalogueCheckpoint(
        Position(EntryId(9, 0), counted=3), archived=200, missed=1, bucket_micros=60_000_000
    )
    checkpoint = msgspec.structs.replace(CHECKPOINT, catalogue=catalogue)
    encoded = ENCODED[:-1] + (
        b',"catalogue":{"position":{"last":[9,0],"counted":3,"lost":0},"archived":200,"missed":1,"bucket_micros":60000000}}'
    )
    assert encode_checkpoint(checkpoint) == encoded
    assert decode_checkpoint(encoded) == checkpoint


@pytest.mark.parametrize("encoded", [b"", b"[]", b"{}", b'{"version": 1}', ENCODED[:-1], b'{"version": 1, "\xff": 1}'])
def test_bytes_that_are_not_a_checkpoint_are_rejected(encoded):
    with pytest.raises(CorruptStateError):
        decode_checkpoint(encoded)


def test_a_checkpoint_of_another_version_is_rejected_whatever_else_it_holds():
    with pytest.raises(NewerStateError, match="expected version 1, got 2"):
        decode_checkpoint(b'{"version": 2, "files": "elsewhere"}')


@pytest.mark.parametrize(
    ("unix_micros", "day"),
    [
        (0, "1970-01-01"),
        (DAY_MICROS - 1, "1970-01-01"),
        (DAY_MICROS, "1970-01-02"),
        (-1, "1969-12-31"),
        (LAST_UNIX_MICROS, "9999-12-31"),
    ],
)
def test_the_folder_of_a_day_in_utc(unix_micros, day):
    assert day_folder(EVENTS, unix_micros) == f"events/day={day}"
    assert day_folder(VECTORS, unix_micros) == f"vectors/day={day}"
    assert day_folder(EXPOSURES, unix_micros) == f"exposures/day={day}"


@pytest.mark.parametrize("unix_micros", [LAST_UNIX_MICROS + 1, 2**62, 2**200])
def test_a_moment_without_a_day_has_no_folder(unix_micros):
    with pytest.raises(OverflowError):
        day_folder(EVENTS, unix_micros)


@pytest.mark.parametrize(
    ("kind", "staged"),
    [
        (EVENTS, "staging/day=1970-01-01_part-0000000042.parquet"),
        (VECTORS, "staging/vectors_day=1970-01-01_part-0000000042.parquet"),
        (EXPOSURES, "staging/exposures_day=1970-01-01_part-0000000042.parquet"),
        (CATALOGUE_CHANGES, "staging/catalogue_day=1970-01-01_part-0000000042.parquet"),
    ],
)
def test_the_names_of_files(kind, staged):
    file = part_file(day_folder(kind, 0), 42)
    assert file == f"{kind}/day=1970-01-01/part-0000000042.parquet"
    assert staged_file(file) == staged
    assert batch_of(file) == 42


@pytest.mark.parametrize(
    "file",
    [
        "../events/day=1970-01-01/part-0000000042.parquet",
        "events/day=1970-01-01/../part-0000000042.parquet",
        "events/day=1970-01-01/part-x.parquet",
        "others/day=1970-01-01/part-0000000042.parquet",
        "events/day=1970-01-01/part-0000000042.parquet.new",
    ],
)
def test_other_names_are_not_parts(file):
    assert batch_of(file) is None


def test_the_names_and_types_of_columns():
    assert [" ".join(map(str, column)) for column in EVENT_COLUMNS] == [
        "partition int16 False",
        "entry_unix_millis int64 False",
        "entry_sequence int64 False",
        "fresh bool False",
        "event_id string True",
        "type string True",
        "user_id string True",
        "event_time timestamp[us, tz=UTC] True",
        "session_id string True",
        "items list<item> True",
        "country string True",
        "device string True",
        "order_id string True",
        "value_micros int64 True",
        "currency string True",
        "server_clock_unix_micros int64 True",
        "numbers map<string, double> True",
        "labels map<string, string> True",
        "unreadable_event binary True",
    ]
    assert [" ".join(map(str, column)) for column in VECTOR_COLUMNS[len(PLACE_COLUMNS) :]] == [
        "user_id string False",
        "session_id string False",
        "as_of timestamp[us, tz=UTC] False",
        "last_event binary False",
        "model string False",
        "model_version string False",
        "fingerprint string False",
        "values list<float> False",
        "score double False",
        "arm int16 True",
        "propensity double True",
        "prior bool True",
        "other_versions list<string> True",
        "other_scores list<double> True",
    ]
    assert {column.name for column in VECTOR_COLUMNS if column.nullable} == NEWER_VECTOR_COLUMNS
    assert [" ".join(map(str, column)) for column in EXPOSURE_COLUMNS[len(PLACE_COLUMNS) :]] == [
        "rank_id string False",
        "user_id string False",
        "session_id string False",
        "as_of timestamp[us, tz=UTC] False",
        "last_event binary False",
        "model string False",
        "model_version string False",
        "fingerprint string False",
        "epoch int64 False",
        "placement string False",
        "next_items bool False",
        "degraded bool False",
        "k int64 False",
        "budget_micros int64 True",
        "cart_micros int64 False",
        "anchor uint64 True",
        "candidates list<uint64> False",
        "sources list<uint8> False",
        "given list<uint16> False",
        "scores list<double> False",
        "prices list<double> False",
        "stocks list<int64> False",
        "blocked list<uint8> False",
        "shown list<uint16> False",
        "propensities list<double> False",
        "rules list<list<string>> False",
        "features list<float> False",
        "arm int16 True",
        "arm_propensity double True",
        "other_versions list<string> True",
        "other_scores list<double> True",
    ]
    assert [" ".join(map(str, column)) for column in CATALOGUE_COLUMNS] == [
        "entry_unix_millis int64 False",
        "entry_sequence int64 False",
        "change int32 False",
        "item_id string True",
        "price_micros int64 True",
        "category string True",
        "brand string True",
        "tags list<string> True",
        "stock int64 True",
        "blocked bool True",
        "first_seen timestamp[us, tz=UTC] True",
        "unreadable_changes binary True",
    ]
    assert EVENT_COLUMNS[:3] == VECTOR_COLUMNS[:3] == EXPOSURE_COLUMNS[:3] == PLACE_COLUMNS


def test_every_stored_field_has_a_column():
    columns = [column.name.replace("event_time", "event_time_unix_micros") for column in EVENT_COLUMNS]
    assert set(Event.__struct_fields__) <= set(columns)
    names = tuple(column.name for column in ITEM_COLUMNS)
    assert names == (*Item.__struct_fields__[:-1], *Shown.__struct_fields__)
    assert Item.__struct_fields__[-1] == "shown"
    vector_columns = [column.name.replace("as_of", "as_of_unix_micros") for column in VECTOR_COLUMNS[3:]]
    *plain, others = (field.name for field in msgspec.structs.fields(ServedVector))
    assert (vector_columns, others) == ([*plain, "other_versions", "other_scores"], "others")
    exposure_columns = [column.name.replace("as_of", "as_of_unix_micros") for column in EXPOSURE_COLUMNS[3:]]
    *plain, others = (field.name for field in msgspec.structs.fields(Exposure))
    assert (exposure_columns, others) == ([*plain, "other_versions", "other_scores"], "others")
    assert {column.name for column in EXPOSURE_COLUMNS if column.nullable} >= NEWER_EXPOSURE_COLUMNS
    change_columns = (column.name.replace("first_seen", "first_seen_unix_micros") for column in CATALOGUE_COLUMNS[3:-1])
    assert tuple(change_columns) == CatalogueChange.__struct_fields__
    arrays = {field.name for field in msgspec.structs.fields(Exposure) if field.type is bytes} - {"last_event"}
    assert set(EXPOSURE_ARRAYS) == arrays
