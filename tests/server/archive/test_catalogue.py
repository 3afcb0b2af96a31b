"""The catalogue in the archive: each change once and in order, wherever it was broken off, and what was said before it began."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer.event_log import BEGINNING, EntryId
from presage_featurizer.event_log.catalogue import ArchivedChange
from presage_featurizer.events import MICROS, Item
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.archive.catalogue import CatalogueEntry
from presage_server.archive.catalogue_parts import changes_by_day
from presage_server.archive.folder import open_folder
from presage_server.items.changes import encode_changes
from presage_server.items.keys import CATALOGUE_STREAM
from presage_training.errors import LogFormatError
from presage_training.readers.formats.archive import read_checkpoint
from presage_training.readers.formats.archived_catalogue import archived_catalogue, read_archived_changes
from presage_training.readers.skipped_rows import SkippedRows
from support.archives import archive_once, assert_equal_to_streams, log_event
from support.events import STORY
from support.items import WIDTH_MICROS, a_follower, an_event, put_change, put_event

SAID = CatalogueChange("a", 5 * MICROS, "coats", "acme", ("new", "sale"), 3, blocked=True, first_seen_unix_micros=7)


def archived(directory) -> list[ArchivedChange]:
    skipped = SkippedRows()
    found = list(read_archived_changes(directory, skipped=skipped))
    assert skipped.counts == {}
    return found


def put(store, first: int, count: int) -> list[CatalogueChange]:
    changes = [CatalogueChange(f"item-{number}", stock=number) for number in range(first, first + count)]
    for change in changes:
        put_change(store, change)
    return changes


def test_changes_are_archived_once_and_in_order_beside_events(store, tmp_path):
    log_event(store.redis, STORY[0])
    put_change(store, SAID, CatalogueChange("b", tags=()))
    assert archive_once(store, tmp_path) == []
    more = put(store, 0, 50)
    assert archive_once(store, tmp_path) == []
    assert archive_once(store, tmp_path) == []

    found = archived(tmp_path)
    assert [each.change for each in found] == [SAID, CatalogueChange("b", tags=()), *more]
    assert [each.number for each in found[:3]] == [0, 1, 0]
    assert_equal_to_streams(tmp_path, store.redis)
    said = archived_catalogue(tmp_path)
    assert (said.archived, said.missed, said.position.counted) == (52, 0, 51)


def test_a_large_catalogue_is_archived_in_batches(store, tmp_path):
    changes = [CatalogueChange(f"item-{number}", price_micros=number) for number in range(4_000)]
    put_change(store, *changes)
    archive_once(store, tmp_path, max_batch_events=900)

    assert [each.change for each in archived(tmp_path)] == changes
    assert read_checkpoint(tmp_path).batch == 3


class Crash(BaseException):
    """The end of the process."""


def test_a_crash_at_any_step_loses_no_change_and_repeats_none(store, tmp_path, monkeypatch):
    changes = put(store, 0, 30)
    original, steps = os.fsync, 0
    while True:
        directory, left, ended = tmp_path / str(steps), steps, True

        def breaks(descriptor: int) -> None:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1
            original(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", breaks)
            try:
                archive_once(store, directory, max_batch_events=20)
            except Crash:
                ended = False
        if ended:
            break
        archive_once(store, directory)
        assert [each.change for each in archived(directory)] == changes
        steps += 4
    assert steps > 8


def test_what_was_said_before_the_archive_began_comes_first(store, tmp_path):
    put_event(store, an_event("ann", Item("seen", "hats", price_micros=9 * MICROS), Item("a")), "5000-0")
    put_change(store, SAID, entry_id="5000-0")
    put_change(store, CatalogueChange("b", price_micros=4 * MICROS), entry_id="5001-0")
    with a_follower(store) as follower:
        follower.prepare()
        while follower.step():
            pass
        follower.save()  # drops what it makes needless
    put_change(store, CatalogueChange("b", price_micros=2 * MICROS))
    assert store.redis.xlen(CATALOGUE_STREAM) == 1
    assert archive_once(store, tmp_path) == []

    *before, last = archived(tmp_path)
    assert {each.change for each in before} == {SAID, CatalogueChange("b", price_micros=4 * MICROS)}
    assert {each.entry_id for each in before} == {BEGINNING}
    assert last.change == CatalogueChange("b", price_micros=2 * MICROS)
    said = archived_catalogue(tmp_path)
    assert (said.archived, said.missed, said.bucket_micros) == (3, 2, WIDTH_MICROS)


def test_changes_that_left_unread_are_reported_once(store, tmp_path):
    put(store, 0, 3)
    archive_once(store, tmp_path)
    put(store, 3, 4)
    store.redis.xtrim(CATALOGUE_STREAM, maxlen=1, approximate=False)
    (line,) = archive_once(store, tmp_path)
    assert line.startswith("LOST: 3 entries with changes of the catalogue left their stream")
    assert archive_once(store, tmp_path) == []
    store.redis.flushall()
    lines = archive_once(store, tmp_path)
    assert any(line.startswith("STREAM RESET: the store does not hold the changes of the catalogue") for line in lines)
    put(store, 7, 1)
    archive_once(store, tmp_path)
    assert [each.change.stock for each in archived(tmp_path)] == [0, 1, 2, 6, 7]


def test_an_archive_of_an_older_release_goes_on_with_the_catalogue(store, tmp_path):
    with open_folder(tmp_path, new_id=lambda: "older") as folder:
        folder.commit({}, positions={}, entries=0)
    assert archived_catalogue(tmp_path) is None
    changes = put(store, 0, 2)
    archive_once(store, tmp_path)
    assert [each.change for each in archived(tmp_path)] == changes


def test_what_cannot_be_read_is_kept_and_holds_nothing_up(store, tmp_path):
    store.redis.xadd(CATALOGUE_STREAM, {"changes": b"garbage"})
    store.redis.xadd(CATALOGUE_STREAM, {"others": b""})
    put_change(store, CatalogueChange("large", stock=2**63))  # readable, but fits no column
    changes = put(store, 0, 1)
    archive_once(store, tmp_path)
    skipped = SkippedRows()
    found = [each.change for each in read_archived_changes(tmp_path, skipped=skipped)]
    assert found == [CatalogueChange("large", stock=2**63), *changes]
    assert skipped.counts == {"unreadable change of the catalogue": 2}


numbers = st.none() | st.integers(0, 2**62)
any_change = st.builds(
    CatalogueChange,
    st.text(max_size=5),
    numbers,
    st.none() | st.text(max_size=5),
    st.none() | st.text(max_size=5),
    st.none() | st.lists(st.text(max_size=3), max_size=2).map(tuple),
    numbers,
    st.none() | st.booleans(),
    numbers,
)


@given(st.lists(st.lists(any_change, min_size=1, max_size=3).map(tuple), max_size=4))
def test_any_change_is_read_as_it_was(tmp_path_factory, entries):
    directory = tmp_path_factory.mktemp("archive")
    made = [
        CatalogueEntry(EntryId(number + 1, 0), b"".join(encode_changes(each)), each)
        for number, each in enumerate(entries)
    ]
    with open_folder(directory, new_id=lambda: "test") as folder:
        folder.commit(changes_by_day(made), positions={}, entries=0)
    assert [each.change for each in archived(directory)] == [change for each in entries for change in each]


def test_a_damaged_file_is_named(store, tmp_path):
    put(store, 0, 1)
    archive_once(store, tmp_path)
    (path,) = tmp_path.glob("catalogue/*/*")
    path.write_bytes(b"not a table")
    with pytest.raises(LogFormatError, match=str(path)):
        archived(tmp_path)
