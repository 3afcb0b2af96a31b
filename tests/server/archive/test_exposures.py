"""Exposures as rows: written and read again, they are the same to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from presage_featurizer import encode_event
from presage_featurizer.event_log import NEWER_EXPOSURE_COLUMNS, Entry, EntryId, Exposure, encode_exposure
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from presage_training.errors import LogFormatError
from presage_training.readers.formats.archive import read_archive, read_archived_exposures
from presage_training.readers.skipped_rows import SkippedRows
from support.events import DAY_MICROS, START_UNIX_MICROS, STORY
from support.exposures import any_exposure


def entry(encoded: bytes, place: int) -> Entry:
    return Entry(place % 7, EntryId(START_UNIX_MICROS // 1_000, place), b"", no_prior_state=False, exposure=encoded)


def archived(directory: Path, *batches: list[Entry]) -> None:
    with open_folder(directory, new_id=lambda: "test") as folder:
        for batch in batches:
            folder.commit(parts_by_day(batch), positions={}, entries=len(batch))


@pytest.fixture
def exposure() -> Exposure:
    return Exposure(
        rank_id="r-1",
        user_id="ann",
        session_id="tab",
        as_of_unix_micros=START_UNIX_MICROS,
        last_event=b"12345678",
        model="ranking",
        model_version="1",
        fingerprint="ab",
        epoch=5,
        placement="home",
        next_items=False,
        degraded=False,
        k=1,
        budget_micros=None,
        cart_micros=0,
        anchor=2**64 - 1,
        candidates=b"\xff" * 8,
        sources=b"\x01",
        given=b"\x01\x00",
        scores=b"\x00" * 8,
        prices=b"\x00" * 8,
        stocks=b"\xff" * 8,
        blocked=b"\x00",
        shown=b"\x00\x00",
        propensities=b"\x00" * 8,
        rules=(("fill_up", "max_per_category"),),
        features=b"\x00" * 12,
        arm=2,
        arm_propensity=0.25,
        others=(("2", b"\x01" * 8), ("3", b"\x02" * 8)),
    )


@given(st.lists(any_exposure(), max_size=5))
def test_any_exposure_is_read_as_it_was(exposures):
    entries = [entry(encode_exposure(exposure), place) for place, exposure in enumerate(exposures)]
    with tempfile.TemporaryDirectory() as directory:
        archived(Path(directory), entries)
        read = list(read_archived_exposures(Path(directory)))
        assert list(read_archive(Path(directory), skipped=SkippedRows())) == []
    assert sorted(map(encode_exposure, read)) == sorted(map(encode_exposure, exposures))


def test_exposures_belong_to_the_day_that_was_ranked_for_and_leave_events_alone(tmp_path, exposure):
    later = msgspec.structs.replace(exposure, rank_id="r-2", as_of_unix_micros=START_UNIX_MICROS + DAY_MICROS)
    event = Entry(1, EntryId(1, 1), encode_event(STORY[0]), no_prior_state=True)
    archived(tmp_path, [entry(encode_exposure(exposure), 1), event], [entry(encode_exposure(later), 2)])

    assert [read.rank_id for read in read_archived_exposures(tmp_path)] == ["r-1", "r-2"]
    assert [read.event for read in read_archive(tmp_path, skipped=SkippedRows())] == [STORY[0]]
    assert len(list(tmp_path.glob("exposures/day=*/*"))) == 2


def test_more_than_are_read_at_once_keep_their_order(tmp_path, exposure):
    exposures = [msgspec.structs.replace(exposure, rank_id=str(number)) for number in range(1_100)]
    entries = [
        Entry(5, EntryId(1, place), b"", no_prior_state=False, exposure=encode_exposure(each))
        for place, each in enumerate(exposures)
    ]
    archived(tmp_path, entries)

    assert list(read_archived_exposures(tmp_path)) == exposures


@pytest.mark.parametrize("change", [{"cart_micros": 2**63}, {"epoch": -(2**63)}, {"anchor": -1}, None])
def test_an_exposure_that_has_no_row_holds_nothing_up(tmp_path, exposure, change):
    broken = b"garbage" if change is None else encode_exposure(msgspec.structs.replace(exposure, **change))
    archived(tmp_path, [entry(broken, 1), entry(encode_exposure(exposure), 2)])

    assert list(read_archived_exposures(tmp_path)) == [exposure]
    (path,) = tmp_path.glob("events/day=*/*")
    assert parquet.ParquetFile(path).read().num_rows == 1


def test_exposures_of_an_older_release_are_of_no_arm_and_no_pair(tmp_path, exposure):
    archived(tmp_path, [entry(encode_exposure(exposure), 1)])
    (path,) = tmp_path.glob("exposures/day=*/*")
    parquet.write_table(parquet.read_table(path, partitioning=None).drop_columns(sorted(NEWER_EXPOSURE_COLUMNS)), path)

    assert list(read_archived_exposures(tmp_path)) == [
        msgspec.structs.replace(exposure, arm=0, arm_propensity=1.0, others=())
    ]


def test_a_folder_without_exposures_has_none(tmp_path):
    archived(tmp_path, [])
    assert list(read_archived_exposures(tmp_path)) == []


def test_a_damaged_file_is_named(tmp_path, exposure):
    archived(tmp_path, [entry(encode_exposure(exposure), 1)])
    (path,) = tmp_path.glob("exposures/day=*/*")
    path.write_bytes(b"not a table")
    with pytest.raises(LogFormatError, match=str(path)):
        list(read_archived_exposures(tmp_path))
