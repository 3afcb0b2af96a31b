"""Reads an archive's events again: all of some partitions, in the order in which they were applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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

__all__ = ["ArchivedEvents", "row_groups_of"]

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
        batches = self._batches(checkpoint, after_batch)
        for done, files in enumerate(batches, 1):
            tables = [table for path in files if len(table := self._read_file(path, partitions))]
            if tables:
                # The columns that a file of an older release lacks are nulls without a type here.
                whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
                table = whole if len(tables) == 1 else whole.sort_by(_PLACE)
                for rows in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
                    yield from read_event_rows(rows)
            on_progress(done / len(batches))

    def _batches(self, checkpoint: Checkpoint, after_batch: int) -> list[list[Path]]:
        found: dict[int, set[str]] = defaultdict(set)
        for path in (self._directory / EVENTS).glob(PARTS_GLOB):
            file = path.relative_to(self._directory).as_posix()
            number = batch_of(file)
            if number is not None and after_batch < number <= checkpoint.batch:
                found[number].add(file)
        for file in checkpoint.files:  # committed, but perhaps not in their places yet
            number = batch_of(file)
            if number is not None and number > after_batch and file.startswith(f"{EVENTS}/"):
                found[number].add(file)
        return [[self._directory / file for file in sorted(found[number])] for number in sorted(found)]

    def _read_file(self, path: Path, partitions: range) -> pa.Table:
        staged = self._directory / staged_file(path.relative_to(self._directory).as_posix())
        places = (staged, path, staged) if staged.exists() else (path, staged, path)  # it may move meanwhile, once
        for place in places:
            try:
                with parquet.ParquetFile(place) as file:
                    return _read_partitions(file, partitions)
            except FileNotFoundError:
                continue
            except (OSError, pa.ArrowException) as error:
                raise ArchiveReadError(
                    f"{place}: cannot be read ({error}); put the right one back, or remove it"
                ) from error
        return _EMPTY  # its day was removed


_EMPTY: Any = pa.table({})


def _read_partitions(file: Any, partitions: range) -> Any:
    missing = [name for name in _COLUMNS if name not in file.schema_arrow.names and name not in NEWER_EVENT_COLUMNS]
    if missing:
        raise pa.ArrowInvalid(f"it lacks the column {missing[0]}")
    groups = row_groups_of(file.metadata, partitions)
    if not groups:
        return _EMPTY
    table = file.read_row_groups(groups, columns=_COLUMNS, use_threads=False)  # servers may need the other processors
    numbers = table[_PARTITION]
    wanted = compute.and_(compute.greater_equal(numbers, partitions.start), compute.less(numbers, partitions.stop))
    table = table.filter(wanted)
    for name in NEWER_EVENT_COLUMNS.difference(table.column_names):
        table = table.append_column(name, pa.nulls(len(table)))
    return table.select(_COLUMNS)


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
