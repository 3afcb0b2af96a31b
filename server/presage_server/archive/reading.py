"""Reads an archive's events again: all of some partitions, in the order in which they were applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import compute, parquet

from presage_featurizer import CorruptStateError, NewerStateError
from presage_featurizer.event_log import (
    CHECKPOINT_FILE,
    EVENT_COLUMNS,
    EVENTS,
    NEWER_EVENT_COLUMNS,
    PARTS_GLOB,
    PLACE_COLUMNS,
    ArchivedRow,
    Checkpoint,
    batch_of,
    decode_checkpoint,
    read_event_rows,
    staged_file,
)
from presage_server.archive.errors import ArchiveReadError

__all__ = [
    "ArchivedEvents",
    "batches_of",
    "check_columns",
    "read_in_order",
    "read_part",
    "row_groups_of",
    "with_columns",
]

T = TypeVar("T")

_COLUMNS = [column.name for column in EVENT_COLUMNS]
_PLACE = [(column.name, "ascending") for column in PLACE_COLUMNS]
_PARTITION = _PLACE[0][0]
_ROWS_AT_ONCE = 8_192


class ArchivedEvents:
    """The event files of an archive, which another process may be writing to.

    Raises:
        ArchiveReadError: From every method: the folder holds no archive, or one that cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def checkpoint(self) -> Checkpoint:
        """Return what is committed now; its positions are those up to which ``read`` returns events."""
        file = self._directory / CHECKPOINT_FILE
        try:
            return decode_checkpoint(file.read_bytes())
        except OSError as error:
            reason = error.strerror or error
            raise ArchiveReadError(
                f"{file}: cannot be read ({reason}); name the folder of presage archive --to"
            ) from error
        except CorruptStateError as error:
            raise ArchiveReadError(f"{file}: cannot be read ({error}); put the right one back") from error
        except NewerStateError as error:
            raise ArchiveReadError(f"{file}: {error}; use the release that wrote it") from error

    def read(
        self,
        partitions: range,
        checkpoint: Checkpoint,
        *,
        after_batch: int = 0,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> Iterator[ArchivedRow]:
        """Read the rows of some partitions, each partition's in the order of its stream, with one batch in memory.

        Args:
            partitions: Partitions that follow each other.
            checkpoint: Up to where to read.
            after_batch: Skips the batches up to this number.
            on_progress: Called with the share that has been read, after each batch.
        """
        batches = batches_of(self._directory, EVENTS, checkpoint, after_batch=after_batch)
        for done, files in enumerate(batches, 1):
            tables = [table for path in files if len(table := self._read_file(path, partitions))]
            if tables:
                yield from read_in_order(tables)
            on_progress(done / len(batches))

    def _read_file(self, path: Path, partitions: range) -> pa.Table:
        table = read_part(self._directory, path, lambda file: _read_partitions(file, partitions))
        return _EMPTY if table is None else table


def batches_of(directory: Path, kind: str, checkpoint: Checkpoint, *, after_batch: int = 0) -> list[list[Path]]:
    """Find the files of one kind of each batch that a checkpoint has, the oldest batch first.

    Args:
        directory: The archive's folder.
        kind: Of the files, such as EVENTS.
        checkpoint: Up to where.
        after_batch: Skips the batches up to this number.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for path in (directory / kind).glob(PARTS_GLOB):
        file = path.relative_to(directory).as_posix()
        number = batch_of(file)
        if number is not None and after_batch < number <= checkpoint.batch:
            found[number].add(file)
    for file in checkpoint.files:  # committed, but perhaps not in their places yet
        number = batch_of(file)
        if number is not None and number > after_batch and file.startswith(f"{kind}/"):
            found[number].add(file)
    return [[directory / file for file in sorted(found[number])] for number in sorted(found)]


def read_part(directory: Path, path: Path, read: Callable[[Any], T]) -> T | None:
    """Read from one of an archive's files, which may be moved to its place meanwhile.

    Args:
        directory: The archive's folder.
        path: Where the file is, or will be.
        read: Is given the open ``parquet.ParquetFile``.

    Returns:
        What ``read`` returns; None if the file's day was removed.

    Raises:
        ArchiveReadError: The file cannot be read.
    """
    staged = directory / staged_file(path.relative_to(directory).as_posix())
    places = (staged, path, staged) if staged.exists() else (path, staged, path)  # it may move meanwhile, once
    for place in places:
        try:
            with parquet.ParquetFile(place) as file:
                return read(file)
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException) as error:
            raise ArchiveReadError(
                f"{place}: cannot be read ({error}); put the right one back, or remove it"
            ) from error
    return None


def read_in_order(tables: Sequence[Any]) -> Iterator[ArchivedRow]:
    """Read the rows of one batch's tables, each with EVENT_COLUMNS, in the order of their streams."""
    # The columns that a file of an older release lacks are nulls without a type here.
    whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
    table = whole if len(tables) == 1 else whole.sort_by(_PLACE)
    for rows in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from read_event_rows(rows)


_EMPTY: Any = pa.table({})


def _read_partitions(file: Any, partitions: range) -> Any:
    check_columns(file, _COLUMNS, NEWER_EVENT_COLUMNS)
    groups = row_groups_of(file.metadata, partitions)
    if not groups:
        return _EMPTY
    table = file.read_row_groups(groups, columns=_COLUMNS, use_threads=False)  # servers may need the other processors
    numbers = table[_PARTITION]
    wanted = compute.and_(compute.greater_equal(numbers, partitions.start), compute.less(numbers, partitions.stop))
    return with_columns(table.filter(wanted), _COLUMNS)


def check_columns(file: Any, columns: Iterable[str], newer: Collection[str]) -> frozenset[str]:
    """Return the names of a file's columns; raises ArrowInvalid if it lacks one, unless only newer releases write that."""
    names = frozenset(file.schema_arrow.names)
    missing = [name for name in columns if name not in names and name not in newer]
    if missing:
        raise pa.ArrowInvalid(f"it lacks the column {missing[0]}")
    return names


def with_columns(table: Any, columns: Sequence[str]) -> Any:
    """Return a table with just these columns, in this order; those that an older release did not write are nulls."""
    for name in set(columns).difference(table.column_names):
        table = table.append_column(name, pa.nulls(len(table)))
    return table.select(list(columns))


def row_groups_of(metadata: Any, partitions: range) -> Sequence[int]:
    """Find the row groups that may have rows of the partitions: a file is sorted by partition."""
    place = metadata.schema.names.index(_PARTITION)
    found = []
    for number in range(metadata.num_row_groups):
        statistics = metadata.row_group(number).column(place).statistics
        if (
            statistics is None
            or not statistics.has_min_max
            or (statistics.min < partitions.stop and statistics.max >= partitions.start)
        ):
            found.append(number)
    return found
