"""Reading what ``presage archive`` wrote, and refusing what it did not; its own tests compare whole archives with their streams."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from presage_featurizer import encode_event
from presage_featurizer.event_log import NEWER_VECTOR_COLUMNS, Entry, EntryId, encode_served_vector
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_training.errors import LogFormatError
from presage_training.readers.formats.archive import read_archive, read_archive_events, read_archived_vectors
from presage_training.readers.skipped_rows import SkippedRows
from support.events import DAY_MICROS, STORY
from support.vectors import a_vector

EVENTS = [
    msgspec.structs.replace(
        event,
        event_time_unix_micros=STORY[0].event_time_unix_micros + place % 2 * DAY_MICROS,
        numbers={"margin": place / 7} if place % 3 else {},
        labels={"channel": f"böhm-{place}", "term": ""} if place % 4 else {},
    )
    for place, event in enumerate(STORY)
]


@pytest.fixture
def archive(tmp_path) -> Path:
    """An archive of EVENTS, in two batches of two days each."""
    entries = [Entry(0, EntryId(9, place), encode_event(event), place == 0) for place, event in enumerate(EVENTS)]
    with open_folder(tmp_path / "archive", new_id=lambda: "test") as folder:
        for batch in (entries[:6], entries[6:]):
            folder.commit(parts_by_day(batch), positions={}, entries=len(batch))
    return tmp_path / "archive"


def read(directory: Path) -> list:
    skipped = SkippedRows()
    events = list(read_archive_events(directory, skipped=skipped))
    assert skipped.total == 0
    return events


def refused(directory: Path) -> str:
    with pytest.raises(LogFormatError) as refusal:
        list(read_archive(directory, skipped=SkippedRows()))
    return str(refusal.value)


def test_events_come_in_the_order_in_which_they_were_applied(archive):
    assert read(archive) == EVENTS
    assert [each.fresh for each in read_archive(archive, skipped=SkippedRows())] == [True] + [False] * (len(EVENTS) - 1)


@pytest.mark.parametrize("columns", [["numbers", "labels"], ["server_clock_unix_micros", "numbers", "labels"]])
@pytest.mark.parametrize("files", ["events/*/*.parquet", "events/day=2024-06-03/*.parquet"], ids=["all", "some"])
def test_files_of_an_older_release_lack_the_newer_columns(archive, columns, files):
    for path in archive.glob(files):
        table = parquet.read_table(path, partitioning=None)
        parquet.write_table(table.drop_columns(columns), path)
    lacking = {place for place in range(len(EVENTS)) if files.startswith("events/*") or place % 2 == 0}
    without = [
        msgspec.structs.replace(event, numbers={}, labels={}) if place in lacking else event
        for place, event in enumerate(EVENTS)
    ]
    assert read(archive) == without


VECTORS = [
    a_vector(user_id="ann", arm=2, propensity=0.25, prior=True, others=(("1.2", 0.5), ("3", 0.125))),
    a_vector(user_id="bob"),
]


@pytest.fixture
def sampled(tmp_path) -> Path:
    """An archive of VECTORS."""
    entries = [
        Entry(0, EntryId(9, place), b"", no_prior_state=False, vector=encode_served_vector(vector))
        for place, vector in enumerate(VECTORS)
    ]
    with open_folder(tmp_path / "sampled", new_id=lambda: "test") as folder:
        folder.commit(parts_by_day(entries), positions={}, entries=len(entries))
    return tmp_path / "sampled"


def test_vectors_are_read_as_they_were_served(sampled):
    assert list(read_archived_vectors(sampled)) == VECTORS


def test_vectors_of_an_older_release_are_of_no_arm_and_no_pair(sampled):
    (path,) = sampled.glob("vectors/*/*.parquet")
    parquet.write_table(parquet.read_table(path, partitioning=None).drop_columns(sorted(NEWER_VECTOR_COLUMNS)), path)
    older = [msgspec.structs.replace(vector, arm=0, propensity=1.0, prior=False, others=()) for vector in VECTORS]

    assert list(read_archived_vectors(sampled)) == older


def test_a_batch_that_is_not_in_place_yet_is_left_for_later_as_a_whole(archive):
    last = archive / "events" / "day=2024-06-04" / "part-0000000002.parquet"
    last.rename(archive / "staging" / "day=2024-06-04_part-0000000002.parquet")
    assert read(archive) == EVENTS[:6]
    with open_folder(archive, new_id=lambda: "test"):
        pass
    assert read(archive) == EVENTS


def test_a_file_that_was_never_committed_is_passed_over(archive):
    stray = archive / "events" / "day=2024-06-04" / "part-0000000003.parquet"
    stray.write_bytes((archive / "events" / "day=2024-06-04" / "part-0000000002.parquet").read_bytes())
    assert read(archive) == EVENTS


def test_days_that_were_removed_are_gone_and_the_rest_is_read(archive):
    for path in (archive / "events" / "day=2024-06-03").iterdir():
        path.unlink()
    assert read(archive) == EVENTS[1::2]


def test_a_folder_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_archive(tmp_path / "nowhere", skipped=SkippedRows()))


def test_another_folder_or_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        assert refused(path) == f"{path}: holds no archive.json. Name the folder that presage archive --to was given."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "archive.json: cannot be read (Input data was truncated). Put the right one back."),
        (
            json.dumps({"version": 2, "batch": 1, "files": []}),
            "archive.json: expected version 1, got 2. Read it with the release that wrote it.",
        ),
    ],
)
def test_a_checkpoint_that_makes_no_sense_is_refused(archive, text, message):
    (archive / "archive.json").write_text(text)
    assert refused(archive) == f"{archive}/{message}"


def test_a_damaged_file_is_named(archive):
    path = archive / "events" / "day=2024-06-03" / "part-0000000001.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    assert refused(archive).startswith(f"{path}: not a readable Parquet file (")


def test_a_file_of_another_kind_is_named_with_the_column_that_it_lacks(archive):
    path = archive / "events" / "day=2024-06-03" / "part-0000000001.parquet"
    parquet.write_table(pa.table({"partition": [1]}), path)
    assert refused(archive).startswith(f"{path}: lacks the column entry_unix_millis.")


def test_a_type_that_this_release_does_not_know_is_left_out_by_name(archive):
    path = archive / "events" / "day=2024-06-04" / "part-0000000001.parquet"
    table = parquet.ParquetFile(path).read()
    types = pa.array(["TELEPORT", *table["type"].to_pylist()[1:]])
    parquet.write_table(table.set_column(table.schema.get_field_index("type"), "type", types), path)
    skipped = SkippedRows()
    read_events = list(read_archive(archive, skipped=skipped))
    assert len(read_events) == len(EVENTS) - 1
    (example,) = skipped.examples["unknown event type"]
    assert (example.where, example.what) == ("partition 0, entry 9-1", "TELEPORT")
