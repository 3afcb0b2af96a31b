"""One visitor's rows in an archive's files, found without reading the columns of anyone else's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from pyarrow import compute

from presage_featurizer.event_log import (
    EVENT_COLUMNS,
    EVENTS,
    NEWER_EVENT_COLUMNS,
    NEWER_VECTOR_COLUMNS,
    VECTOR_COLUMNS,
    VECTORS,
    ArchivedRow,
    ArchivedVector,
    Checkpoint,
    partition_of,
    read_vector_rows,
)
from presage_server.archive.reading import (
    batches_of,
    check_columns,
    read_in_order,
    read_part,
    row_groups_of,
    with_columns,
)

__all__ = ["FoundFile", "VisitorRows"]

_EVENTS = tuple(column.name for column in EVENT_COLUMNS)
_VECTORS = tuple(column.name for column in VECTOR_COLUMNS)
_USER, _UNREADABLE = "user_id", "unreadable_event"


class FoundFile(NamedTuple):
    """A file that has rows of the visitor."""

    path: Path
    identity: tuple[int, int, int] | None
    """Inode, size and time of change in ns: another one once the file was written again. None: it was not in its place yet."""

    def is_unchanged(self) -> bool:
        """Return whether the file is the one that was read."""
        return self.identity is not None and self.identity == _identity(self.path)


class VisitorRows:
    """Reads what an archive has of one visitor; another process may be writing to it.

    Files are sorted by partition, so most groups of 8,192 rows are skipped by their statistics where files are large; of the others
    the ids are read, and the other columns only of groups that have rows of the visitor.

    Args:
        directory: The archive's folder.
        user_id: The visitor.

    Raises:
        ArchiveReadError: From every method: a file cannot be read.
    """

    def __init__(self, directory: Path, user_id: str) -> None:
        self._directory = directory
        self._user_id = user_id
        self._encoded_id = msgspec.msgpack.encode(user_id)
        self._partition = partition_of(user_id)
        self.files: list[FoundFile] = []
        """The files with rows of the visitor that have been read so far."""

    def events(self, checkpoint: Checkpoint, *, after_batch: int = 0) -> Iterator[ArchivedRow]:
        """Read the visitor's events up to a checkpoint, in the order in which they were applied.

        Entries that cannot be read come, too, if their bytes have the visitor's id as one of their texts: they may be another
        visitor's.
        """
        for files in batches_of(self._directory, EVENTS, checkpoint, after_batch=after_batch):
            tables = self._tables(files, _EVENTS, NEWER_EVENT_COLUMNS)
            if tables:
                for row in read_in_order(tables):
                    if row.event is None or row.event.user_id == self._user_id:
                        yield row

    def vectors(self, checkpoint: Checkpoint, *, after_batch: int = 0) -> Iterator[ArchivedVector]:
        """Read the visitor's served vectors up to a checkpoint, batch by batch."""
        for files in batches_of(self._directory, VECTORS, checkpoint, after_batch=after_batch):
            for table in self._tables(files, _VECTORS, NEWER_VECTOR_COLUMNS):
                yield from read_vector_rows(table)

    def _tables(self, files: Sequence[Path], columns: Sequence[str], newer: Collection[str]) -> list[Any]:
        found = []
        for path in files:
            before = _identity(path)
            table = read_part(self._directory, path, lambda file: self._read(file, columns, newer))
            if table is not None:
                found.append(table)
                # The same before and after: those bytes were read.
                self.files.append(FoundFile(path, before if before == _identity(path) else None))
        return found

    def _read(self, file: Any, columns: Sequence[str], newer: Collection[str]) -> Any:
        """Read the visitor's rows of a file; None if it has none."""
        names = check_columns(file, columns, newer)
        searched = [name for name in (_USER, _UNREADABLE) if name in names]
        found = []
        for group in row_groups_of(file.metadata, range(self._partition, self._partition + 1)):
            mine = self._is_mine(file.read_row_group(group, columns=searched, use_threads=False))
            if compute.any(mine).as_py():
                known = [name for name in columns if name in names]
                found.append(file.read_row_group(group, columns=known, use_threads=False).filter(mine))
        return with_columns(pa.concat_tables(found), columns) if found else None

    def _is_mine(self, table: Any) -> Any:
        """Return for each row whether it is the visitor's."""
        mine = compute.fill_null(compute.equal(table[_USER], self._user_id), fill_value=False)
        if _UNREADABLE in table.column_names and table[_UNREADABLE].null_count < len(table):
            # Few files have any: an event of a newer release, or a damaged one.
            named = compute.match_substring(table[_UNREADABLE], self._encoded_id)
            mine = compute.or_(mine, compute.fill_null(named, fill_value=False))
        return mine


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
