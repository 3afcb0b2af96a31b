from __future__ import annotations

import dataclasses
import random

import pytest
from pyarrow import parquet

from presage_featurizer import Event, EventType, encode_event
from presage_featurizer.event_log import NEWER_EVENT_COLUMNS, PARTITIONS, staged_file
from presage_server.archive import parts
from presage_server.archive.errors import ArchiveReadError
from presage_server.archive.reading import ArchivedEvents
from presage_server.archive.visitor_rows import VisitorRows
from support.vectors import a_vector
from support.written_archives import entries_of, write_archive

DAY = 86_400 * 10**6
VISITORS = 40


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Three batches of many visitors on several days, some events late, in small groups of rows."""
    monkeypatch.setattr(parts, "_ROWS_PER_GROUP", 16)
    draw = random.Random(1)
    for batch in range(3):
        events = [
            Event(
                f"{batch}-{number}",
                EventType.SEARCH,
                f"visitor-{draw.randrange(VISITORS)}",
                10**15 + draw.randrange(3) * DAY,
            )
            for number in range(200)
        ]
        write_archive(tmp_path, entries_of(*events, first_millis=1 + batch * 1_000))
    return tmp_path


def rows_of(archive, user_id, **options):
    return list(VisitorRows(archive, user_id).events(ArchivedEvents(archive).checkpoint(), **options))


def all_rows(archive):
    events = ArchivedEvents(archive)
    return list(events.read(range(PARTITIONS), events.checkpoint()))


def test_a_visitor_has_the_rows_that_reading_everyone_gives_in_the_same_order(archive):
    expected = all_rows(archive)
    for number in range(0, VISITORS, 8):
        user_id = f"visitor-{number}"
        mine = [row for row in expected if row.event.user_id == user_id]
        assert rows_of(archive, user_id) == mine
        assert rows_of(archive, user_id, after_batch=1) == [row for row in mine if row.event.event_id[0] != "0"]


def test_other_columns_are_read_only_of_groups_with_rows_of_the_visitor(archive, monkeypatch):
    read = []
    read_row_group = parquet.ParquetFile.read_row_group

    def noting(self, group, columns, **options):
        table = read_row_group(self, group, columns=columns, **options)
        read.append((len(columns) > 2, "visitor-7" in table["user_id"].to_pylist()))
        return table

    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", noting)
    assert rows_of(archive, "visitor-7")
    assert {has_visitor for whole, has_visitor in read if whole} == {True}
    assert sum(1 for whole, _ in read if not whole) < len(all_rows(archive)) / 16


def test_a_visitor_that_nobody_knows_has_no_rows(archive):
    rows = VisitorRows(archive, "nobody")
    assert list(rows.events(ArchivedEvents(archive).checkpoint())) == []
    assert rows.files == []


def test_served_vectors_come_back_as_they_were(tmp_path):
    mine = [a_vector(score=score, others=(("2", 0.5),) * others) for score, others in ((0.1, 0), (0.2, 2), (0.3, 1))]
    other = a_vector(user_id="other")
    write_archive(tmp_path, entries_of(mine[0], other, mine[1]), entries_of(mine[2], first_millis=50))
    rows = VisitorRows(tmp_path, "visitor")
    read = [each.vector for each in rows.vectors(ArchivedEvents(tmp_path).checkpoint())]
    assert read == mine
    assert len(rows.files) == 2


def test_files_that_are_not_in_their_places_yet_are_read_and_not_relied_upon(archive):
    expected = rows_of(archive, "visitor-3")
    for file in ArchivedEvents(archive).checkpoint().files:
        (archive / file).rename(archive / staged_file(file))
    rows = VisitorRows(archive, "visitor-3")
    assert list(rows.events(ArchivedEvents(archive).checkpoint())) == expected
    assert {found.is_unchanged() for found in rows.files} == {True, False}


def test_a_file_that_was_written_again_is_another_one(archive):
    rows = VisitorRows(archive, "visitor-3")
    assert list(rows.events(ArchivedEvents(archive).checkpoint()))
    assert all(found.is_unchanged() for found in rows.files)
    path = rows.files[0].path
    table = parquet.ParquetFile(path).read()
    path.unlink()
    assert not rows.files[0].is_unchanged()
    parquet.write_table(table.slice(1), path)
    assert not rows.files[0].is_unchanged()


def test_what_cannot_be_read_comes_if_it_names_the_visitor(tmp_path):
    torn = encode_event(Event("e", EventType.SEARCH, "visitor", 10**15))[:-1]
    others = encode_event(Event("e", EventType.SEARCH, "vis", 10**15))[:-1]
    write_archive(tmp_path, [dataclasses.replace(each, partition=entries_of(torn)[0].partition)
                             for each in entries_of(others, torn, others)])  # fmt: skip
    (row,) = rows_of(tmp_path, "visitor")
    assert row.event is None
    assert row.entry_id.unix_millis == 2


def test_files_of_an_older_release_are_read(archive):
    expected = rows_of(archive, "visitor-3")
    for path in sorted(archive.glob("events/*/*"))[::2]:
        table = parquet.ParquetFile(path).read()
        parquet.write_table(table.drop_columns(sorted(NEWER_EVENT_COLUMNS)), path)
    assert rows_of(archive, "visitor-3") == expected


def test_a_table_of_something_else_is_an_error(archive):
    path = next(archive.glob("events/*/*"))
    parquet.write_table(parquet.ParquetFile(path).read().drop_columns("country"), path)
    with pytest.raises(ArchiveReadError, match="lacks the column country"):
        rows_of(archive, "visitor-3")
