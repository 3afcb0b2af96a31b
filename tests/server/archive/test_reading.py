from __future__ import annotations

import pytest
from pyarrow import parquet

from presage_featurizer import Event, EventType
from presage_featurizer.event_log import NEWER_EVENT_COLUMNS, PARTITIONS, partition_of, staged_file
from presage_server.archive import parts
from presage_server.archive.errors import ArchiveReadError
from presage_server.archive.reading import ArchivedEvents
from support.archives import archive_once, log_event, places
from support.events import STORY

DAY = 86_400 * 10**6


@pytest.fixture
def archive(store, tmp_path, monkeypatch):
    """Three batches of many visitors, on several days, in small groups of rows."""
    monkeypatch.setattr(parts, "_ROWS_PER_GROUP", 16)
    for batch in range(3):
        for number in range(100):
            time = 10**15 + number % 3 * DAY + number
            log_event(store.redis, Event(f"{batch}-{number}", EventType.SEARCH, f"visitor-{number}", time))
        archive_once(store, tmp_path)
    return tmp_path


def rows(archive, partitions, **options):
    events = ArchivedEvents(archive)
    return list(events.read(partitions, events.checkpoint(), **options))


def test_groups_of_partitions_together_have_every_row_once_and_in_order(archive):
    groups = [range(1), range(1, 700), range(700, PARTITIONS)]
    read = [row for group in groups for row in rows(archive, group)]
    assert sorted((row.partition, *row.entry_id) for row in read) == places(archive)
    for row in read:
        assert row.partition == partition_of(row.event.user_id)
    by_visitor = {}
    for row in read:
        by_visitor.setdefault(row.event.user_id, []).append(row.event.event_id)
    assert all(ids == sorted(ids) for ids in by_visitor.values())


def test_groups_of_rows_without_the_partitions_are_not_read(archive, monkeypatch):
    read = []
    read_row_groups = parquet.ParquetFile.read_row_groups

    def noting(self, groups, **options):
        read.append((len(groups), self.metadata.num_row_groups))
        return read_row_groups(self, groups, **options)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_groups", noting)
    rows(archive, range(100, 140))
    assert sum(count for count, _ in read) <= 2 * len(read)
    assert all(of > 2 for _, of in read)


def test_later_batches_alone_can_be_read(archive):
    assert {row.event.event_id[0] for row in rows(archive, range(PARTITIONS), after_batch=1)} == {"1", "2"}


def test_committed_files_that_are_not_in_their_places_yet_are_read(archive):
    expected = rows(archive, range(PARTITIONS))
    files = ArchivedEvents(archive).checkpoint().files
    for file in files[::2]:
        (archive / file).rename(archive / staged_file(file))
    assert rows(archive, range(PARTITIONS)) == expected


def test_days_that_were_removed_are_missing_and_nothing_else(archive):
    for path in archive.glob("events/day=2001-09-10/*"):
        path.unlink()
    assert 0 < len(rows(archive, range(PARTITIONS))) < 300


def test_progress_ends_with_the_whole(archive):
    shares = []
    rows(archive, range(PARTITIONS), on_progress=shares.append)
    assert shares == [pytest.approx(share) for share in (1 / 3, 2 / 3, 1)]


@pytest.mark.parametrize("content", [b"{}", b'{"version": 99}', b"\xff"])
def test_a_checkpoint_that_cannot_be_read_is_an_error(archive, content):
    (archive / "archive.json").write_bytes(content)
    with pytest.raises(ArchiveReadError, match=r"archive\.json: "):
        ArchivedEvents(archive).checkpoint()


def test_a_table_of_something_else_is_an_error(store, tmp_path):
    log_event(store.redis, STORY[0])
    archive_once(store, tmp_path)
    path = next(tmp_path.glob("events/*/*"))
    parquet.write_table(parquet.read_table(path, partitioning=None).drop_columns("user_id"), path)
    with pytest.raises(ArchiveReadError, match="lacks the column user_id"):
        rows(tmp_path, range(PARTITIONS))


def test_a_batch_with_files_of_an_older_release_beside_newer_ones_is_read(archive):
    """An archiver that is updated between the staging and the committing of a batch leaves both."""
    expected = rows(archive, range(PARTITIONS))
    for path in sorted(archive.glob("events/*/*"))[::2]:
        table = parquet.read_table(path, partitioning=None)
        parquet.write_table(table.drop_columns(sorted(NEWER_EVENT_COLUMNS)), path)
    assert rows(archive, range(PARTITIONS)) == expected
