from __future__ import annotations

import pytest
from pyarrow import parquet

from presage_console.visitor import archive_reader as module
from presage_console.visitor.archive_reader import Histories, recent_visitors
from presage_featurizer import Event, EventType, encode_event
from presage_featurizer.event_log import EntryId, partition_of
from presage_server.archive.erasing import KINDS, erase_rows, find_rows
from presage_server.archive.errors import ArchiveReadError
from support.events import DAY_MICROS, START_UNIX_MICROS
from support.vectors import a_vector
from support.written_archives import entries_of, write_archive


def event(number, user_id="visitor"):
    return Event(f"e{number}", EventType.SEARCH, user_id, START_UNIX_MICROS + number * DAY_MICROS)


def ids(history):
    return [row.event.event_id for row in history.rows]


def test_a_visitor_is_read_with_vectors_and_how_far_the_archive_goes(tmp_path):
    write_archive(tmp_path, entries_of(event(1), event(2, "other"), a_vector(), event(3), first_millis=5))
    history = Histories(tmp_path).read("visitor")
    assert ids(history) == ["e1", "e3"]
    assert history.vectors == (a_vector(),)
    assert history.archived_until_unix_micros == 8_000
    assert not history.cut
    assert Histories(tmp_path).read("nobody").rows == ()


def test_what_was_archived_since_is_added_and_nothing_is_read_again(tmp_path, monkeypatch):
    write_archive(tmp_path, entries_of(event(1)))
    histories = Histories(tmp_path)
    histories.read("visitor")
    write_archive(tmp_path, entries_of(event(2), a_vector(), first_millis=50))
    read = []
    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", _noting(read))
    history = histories.read("visitor")
    assert ids(history) == ["e1", "e2"]
    assert history.vectors == (a_vector(),)
    assert len(read) == 4, "expected the ids and the rows of one new file of events and of one of vectors"
    read.clear()
    assert histories.read("visitor") == history
    assert not read


def _noting(read):
    original = parquet.ParquetFile.read_row_group

    def noting(self, group, **options):
        read.append(group)
        return original(self, group, **options)

    return noting


def test_what_was_erased_is_not_shown_again(tmp_path):
    write_archive(tmp_path, entries_of(event(1), event(2, "other")), entries_of(event(3), first_millis=50))
    histories = Histories(tmp_path)
    assert ids(histories.read("visitor")) == ["e1", "e3"]
    partition, until = partition_of("visitor"), dict.fromkeys(KINDS, EntryId(2**62, 0))
    found = list(find_rows(tmp_path, partition, "visitor", until=until, names_it=lambda _: False))
    for each in found:
        erase_rows(each, partition, "visitor", until=until, names_it=lambda _: False)
    assert found
    assert histories.read("visitor").rows == ()
    assert ids(histories.read("other")) == ["e2"]


def test_days_that_were_removed_are_not_shown_again(tmp_path):
    write_archive(tmp_path, entries_of(event(1), event(2)))
    histories = Histories(tmp_path)
    histories.read("visitor")
    next(tmp_path.glob("events/day=2024-06-04/*")).unlink()
    assert ids(histories.read("visitor")) == ["e2"]


def test_a_robot_is_read_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    write_archive(tmp_path, entries_of(*map(event, range(5))))
    history = Histories(tmp_path).read("visitor")
    assert ids(history) == ["e0", "e1", "e2"]
    assert history.cut


def test_of_very_many_served_vectors_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_VECTORS", 2)
    vectors = [a_vector(as_of_unix_micros=START_UNIX_MICROS + number) for number in range(4)]
    write_archive(tmp_path, entries_of(event(1), *vectors[:3]))
    histories = Histories(tmp_path)
    assert histories.read("visitor").vectors == tuple(vectors[1:3])
    write_archive(tmp_path, entries_of(vectors[3], first_millis=50))
    assert histories.read("visitor").vectors == tuple(vectors[2:])


def test_entries_that_cannot_be_read_are_counted(tmp_path):
    write_archive(tmp_path, entries_of(event(1), encode_event(event(2))[:-1]))
    history = Histories(tmp_path).read("visitor")
    assert ids(history) == ["e1"]
    assert history.unreadable == 1


def test_a_visitor_with_very_many_events_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_KEPT_EVENTS", 1)
    write_archive(tmp_path, entries_of(event(1), event(2)))
    histories = Histories(tmp_path)
    read = []
    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", _noting(read))
    histories.read("visitor")
    once = len(read)
    histories.read("visitor")
    assert len(read) == 2 * once


def test_the_visitors_of_the_newest_batch_come_before_those_of_older_ones(tmp_path):
    write_archive(
        tmp_path, entries_of(event(9), event(8, "b")), entries_of(event(3, "c"), event(4, "b"), first_millis=50)
    )
    assert [each.user_id for each in recent_visitors(tmp_path, 2)] == ["b", "c"]
    assert [(each.user_id, each.what) for each in recent_visitors(tmp_path, 9)] == [
        ("visitor", "search"),
        ("b", "search"),
        ("c", "search"),
    ]


def test_a_folder_without_an_archive_is_an_error(tmp_path):
    with pytest.raises(ArchiveReadError, match="name the folder of presage archive"):
        Histories(tmp_path).read("visitor")
    with pytest.raises(ArchiveReadError, match="name the folder of presage archive"):
        recent_visitors(tmp_path, 2)
