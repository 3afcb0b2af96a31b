"""The archive that ``presage archive`` writes: the servers' event log as Parquet files.

Its layout is in ``presage_featurizer.event_log``; the number in a file's name is that of the batch that wrote the file. Within a
batch a visitor's events have the order of their entries in the stream, and batches are in order. Reading batch after batch thus
gives each visitor's events in the order in which they were applied, with one batch in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from presage_featurizer import CorruptStateError, Event, NewerStateError
from presage_featurizer.event_log import (
    CHECKPOINT_FILE,
    EVENT_COLUMNS,
    EVENTS,
    EXPOSURE_ARRAYS,
    EXPOSURE_COLUMNS,
    EXPOSURES,
    NEWER_EVENT_COLUMNS,
    NEWER_EXPOSURE_COLUMNS,
    NEWER_VECTOR_COLUMNS,
    PARTS_GLOB,
    PLACE_COLUMNS,
    VECTOR_COLUMNS,
    VECTORS,
    Checkpoint,
    Exposure,
    ServedVector,
    batch_of,
    decode_checkpoint,
    read_event_rows,
    read_vector_rows,
    staged_file,
)
from presage_featurizer.ranking.items_counter import Place
from presage_training.errors import LogFormatError
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = [
    "ArchivedEvent",
    "archived_batches",
    "archived_files",
    "last_batch",
    "read_archive",
    "read_archive_events",
    "read_archived_exposures",
    "read_archived_vectors",
    "read_checkpoint",
    "read_columns",
    "read_event_files",
    "read_placed_vectors",
    "read_vector_files",
]

_ROWS_AT_ONCE = 8_192
_MILLI_MICROS = 1_000
_EXPOSURES_AT_ONCE = 512
_NOWHERE = Place(0)
_ENTRY_COLUMNS = tuple(column.name for column in PLACE_COLUMNS)
_COLUMNS = tuple(column.name for column in EVENT_COLUMNS)
_EXPOSURE_COLUMNS = tuple(column.name for column in EXPOSURE_COLUMNS[len(PLACE_COLUMNS) :])
_NEWER_COLUMNS = NEWER_EVENT_COLUMNS | NEWER_VECTOR_COLUMNS | NEWER_EXPOSURE_COLUMNS
_VECTOR_COLUMNS = tuple(column.name for column in VECTOR_COLUMNS)


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    event: Event
    fresh: bool
    """Whether the event found no state, so that a replay has to drop the visitor's history before it; see ``Replay.fold``."""
    place: Place = _NOWHERE
    """Where its entry stands among those of all streams: what items are counted by."""


def read_archive(
    directory: Path, *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[ArchivedEvent]:
    """Read an archive, each visitor's events in the order in which the servers applied them.

    The archive may be written at the same time: the batches that were committed when reading started are read. Folders of days may
    have been removed.

    Args:
        directory: The folder of ``presage archive --to``.
        skipped: Counts the events that this release cannot read.
        progress: Updated with the share of the archive that has been read.

    Yields:
        The events, with one batch in memory: 100,000 events unless the archive was written with another ``--max-batch-events``.

    Raises:
        OSError: if the folder or a file cannot be opened.
        LogFormatError: if the folder holds no archive, or a file in it cannot be read.
    """
    batches = archived_files(directory, EVENTS)
    for done, files in enumerate(batches, 1):
        yield from read_event_files(files, skipped)
        if progress:
            progress.update(done, len(batches))


def read_archive_events(
    directory: Path, *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Event]:
    """Read an archive as other logs are read, without the information where states had expired."""
    return (archived.event for archived in read_archive(directory, skipped=skipped, progress=progress))


def read_archived_vectors(directory: Path) -> Iterator[ServedVector]:
    """Read the sample of served vectors that an archive holds; raises as ``read_archive`` does."""
    for files in archived_files(directory, VECTORS):
        yield from read_vector_files(files)


def read_vector_files(files: Sequence[Path]) -> Iterator[ServedVector]:
    """Read files of served vectors; raises as ``read_archive`` does."""
    return (vector for _, vector in read_placed_vectors(files))


def read_placed_vectors(files: Sequence[Path]) -> Iterator[tuple[str, ServedVector]]:
    """Read files of served vectors, each with what names its entry; raises as ``read_archive`` does."""
    for path in files:
        for read in read_vector_rows(read_columns(path, _VECTOR_COLUMNS)):
            yield f"{read.partition}-{read.entry_id}", read.vector


def read_archived_exposures(directory: Path) -> Iterator[Exposure]:
    """Read the exposures that an archive holds, with one file in memory; raises as ``read_archive`` does."""
    for files in archived_files(directory, EXPOSURES):
        for path in files:
            for batch in read_columns(path, _EXPOSURE_COLUMNS).to_batches(max_chunksize=_EXPOSURES_AT_ONCE):
                yield from _exposures(batch)


def _exposures(batch: Any) -> Iterator[Exposure]:
    columns: dict[str, list[Any]] = {}
    for name in _EXPOSURE_COLUMNS:
        column = batch.column(name)
        if dtype := EXPOSURE_ARRAYS.get(name):
            ends = column.value_lengths().to_numpy().cumsum()
            arrays = np.split(column.flatten().to_numpy().astype(dtype), ends[:-1])
            columns[name] = [array.tobytes() for array in arrays]
        elif name == "as_of":
            columns["as_of_unix_micros"] = column.cast("int64").to_pylist()
        else:
            columns[name] = column.to_pylist()
    columns["rules"] = [tuple(map(tuple, rules)) for rules in columns["rules"]]
    columns["others"] = list(map(_others, columns.pop("other_versions"), columns.pop("other_scores")))
    if None in columns["arm"]:  # a file of an older release
        del columns["arm"], columns["arm_propensity"]
    for row in zip(*columns.values(), strict=True):
        yield Exposure(**dict(zip(columns, row, strict=True)))


def _others(versions: list[str] | None, scores: list[float] | None) -> tuple[tuple[str, bytes], ...]:
    if not versions:
        return ()
    by_version = np.array(scores, "<f8").reshape(len(versions), -1)
    return tuple((version, of_version.tobytes()) for version, of_version in zip(versions, by_version, strict=True))


def read_checkpoint(directory: Path) -> Checkpoint:
    """Read how far an archive goes; raises as ``read_archive`` does."""
    checkpoint_file = directory / CHECKPOINT_FILE
    try:
        return decode_checkpoint(checkpoint_file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        if not directory.exists():
            raise
        raise LogFormatError(
            directory, f"holds no {CHECKPOINT_FILE}", advice="Name the folder that presage archive --to was given."
        ) from error
    except CorruptStateError as error:
        raise LogFormatError(checkpoint_file, f"cannot be read ({error})", advice="Put the right one back.") from error
    except NewerStateError as error:
        raise LogFormatError(checkpoint_file, str(error), advice="Read it with the release that wrote it.") from error


def last_batch(directory: Path) -> int:
    """Return the number of the last batch whose files are in their places; raises as ``read_archive`` does."""
    checkpoint = read_checkpoint(directory)
    # A process that dies at the wrong moment leaves the last batch's files to be put in place by the next one: all of them or none.
    waiting = any((directory / staged_file(file)).exists() for file in checkpoint.files)
    return checkpoint.batch - 1 if waiting else checkpoint.batch


def archived_files(directory: Path, kind: str) -> list[list[Path]]:
    """Find the files of one kind of each committed batch, the oldest batch first; raises as ``read_archive`` does."""
    return list(archived_batches(directory, kind).values())


def archived_batches(directory: Path, kind: str, *, after: int = 0) -> dict[int, list[Path]]:
    """Find the files of one kind by the numbers of the committed batches after one, in order; raises as ``read_archive`` does."""
    # Before the files are listed: files that are put in place later are ignored.
    last = last_batch(directory)
    if last <= after:
        return {}
    batches: dict[int, list[Path]] = {}
    for path in sorted((directory / kind).glob(PARTS_GLOB)):
        number = batch_of(path.relative_to(directory).as_posix())
        if number is not None and after < number <= last:
            batches.setdefault(number, []).append(path)
    return {number: batches[number] for number in sorted(batches)}


def read_event_files(files: Sequence[Path], skipped: SkippedRows) -> Iterator[ArchivedEvent]:
    """Read the files of events of one batch, in the order of their streams; raises as ``read_archive`` does."""
    import pyarrow as pa  # noqa: PLC0415

    if not files:
        return
    tables = [read_columns(path, _COLUMNS) for path in files]
    table = pa.concat_tables(tables, promote_options="default")  # a column of nulls where one of them lacks it
    if len(tables) > 1:
        table = table.sort_by([(name, "ascending") for name in _ENTRY_COLUMNS])
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from _events(batch, skipped)


def read_columns(path: Path, columns: Sequence[str]) -> Any:
    """Read columns of an archive's file as a table; raises as ``read_archive`` does."""
    # The other readers do without this library.
    import pyarrow as pa  # noqa: PLC0415

    from presage_training.readers.files.parquet_tables import open_parquet  # noqa: PLC0415

    try:
        with open_parquet(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names and name not in _NEWER_COLUMNS]
            if missing:
                raise LogFormatError(
                    path, f"lacks the column {missing[0]}", advice="Expected a file that presage archive wrote."
                )
            table = file.read(columns=list(columns))
            for name in set(columns).difference(table.column_names):
                table = table.append_column(name, pa.nulls(len(table)))
            return table.select(list(columns))
    except pa.ArrowException as error:
        raise LogFormatError(
            path, f"not a readable Parquet file ({error})", advice="Put the right one back, or remove it."
        ) from error


def _events(batch: Any, skipped: SkippedRows) -> Iterator[ArchivedEvent]:
    for row in read_event_rows(batch):
        if row.event is not None:
            place = Place(row.entry_id.unix_millis * _MILLI_MICROS, row.entry_id.sequence, row.partition)
            yield ArchivedEvent(row.event, row.fresh, place)
        else:
            reason, detail = row.problem
            skipped.add(reason, where=f"partition {row.partition}, entry {row.entry_id}", what=detail)
