"""One visitor's rows in an archive's files: found, and left out of files that are written again.

A file is replaced as a whole, and stays where it is even if no row is left: readers that have listed it find it. Its row numbers
change; nothing refers to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import compute, parquet

from presage_featurizer.event_log import (
    EVENTS,
    EXPOSURES,
    PARTS_GLOB,
    PLACE_COLUMNS,
    VECTORS,
    EntryId,
    batch_of,
)
from presage_server.archive.errors import ArchiveReadError
from presage_server.archive.folder import sync_directory, write_file
from presage_server.archive.parts import write_table
from presage_server.archive.reading import row_groups_of

__all__ = ["KINDS", "FoundRows", "erase_rows", "find_rows", "remove_leftovers"]

KINDS = (EVENTS, VECTORS, EXPOSURES)
"""The kinds of files that have visitors."""

_ERASING = ".erasing"
_PARTITION, _MILLIS, _SEQUENCE = (column.name for column in PLACE_COLUMNS)
_USER, _UNREADABLE = "user_id", "unreadable_event"
_COLUMNS = (_PARTITION, _MILLIS, _SEQUENCE, _USER, _UNREADABLE)
_MAX_INT64 = 2**63 - 1


class FoundRows(NamedTuple):
    """The visitor's rows of one file."""

    path: Path
    kind: str
    """One of KINDS."""
    rows: int
    """Up to the entry that was asked for."""
    newer: int
    """After it."""
    newest: EntryId
    """The place of the newest of all."""


def find_rows(
    directory: Path, partition: int, user_id: str, *, until: Mapping[str, EntryId], names_it: Callable[[bytes], bool]
) -> Iterator[FoundRows]:
    """Find a visitor's rows in the files of an archive that are in their places.

    Args:
        directory: The archive's folder.
        partition: The visitor's.
        user_id: The visitor.
        until: By kind, the last entry; what is newer is counted apart.
        names_it: Whether the bytes of an event that cannot be read are the visitor's.

    Raises:
        ArchiveReadError: A file cannot be read.
    """
    for kind in KINDS:
        for path in sorted((directory / kind).glob(PARTS_GLOB)):
            if batch_of(path.relative_to(directory).as_posix()) is None:
                continue
            with _read_errors(path), parquet.ParquetFile(path) as file:
                groups = row_groups_of(file.metadata, range(partition, partition + 1))
                if not groups:
                    continue
                names = [name for name in _COLUMNS if name in file.schema_arrow.names]
                table = file.read_row_groups(groups, columns=names, use_threads=False)
            table = table.filter(_is_of(table, partition, user_id, names_it))
            if len(table):
                old = compute.sum(_is_until(table, until[kind])).as_py()
                places = zip(table[_MILLIS].to_pylist(), table[_SEQUENCE].to_pylist(), strict=True)
                yield FoundRows(path, kind, old, len(table) - old, max(EntryId(*place) for place in places))


def erase_rows(
    found: FoundRows, partition: int, user_id: str, *, until: Mapping[str, EntryId], names_it: Callable[[bytes], bool]
) -> int:
    """Write a file again without a visitor's rows; the arguments are those of ``find_rows``.

    Returns:
        How many rows were left out.

    Raises:
        ArchiveReadError: The file cannot be read.
        OSError: It cannot be written.
    """
    path = found.path
    with _read_errors(path), parquet.ParquetFile(path) as file:
        table = file.read(use_threads=False)
    erased = compute.and_(_is_of(table, partition, user_id, names_it), _is_until(table, until[found.kind]))
    kept = table.filter(compute.invert(erased))
    staged = path.with_suffix(_ERASING)
    try:
        write_file(staged, lambda stream: write_table(kept, stream))
        staged.chmod(path.stat().st_mode & 0o777)
        os.replace(staged, path)  # noqa: PTH105 - beside os.fsync
    except BaseException:
        with suppress(OSError):
            staged.unlink()
        raise
    sync_directory(path.parent)
    return len(table) - len(kept)


def remove_leftovers(directory: Path) -> None:
    """Remove what an erasure that was killed left half written; call it while no other one works on the archive."""
    for kind in KINDS:
        for path in (directory / kind).glob(f"day=*/part-*{_ERASING}"):
            path.unlink()


def _is_of(table: Any, partition: int, user_id: str, names_it: Callable[[bytes], bool]) -> Any:
    """Return for each row whether it is a visitor's."""
    mine = compute.fill_null(compute.equal(table[_USER], user_id), fill_value=False)
    if _UNREADABLE in table.column_names:
        # Few files have any: an event of a newer release, or a damaged one.
        unreadable = table[_UNREADABLE].to_pylist()
        mine = compute.or_(mine, pa.array([each is not None and names_it(each) for each in unreadable], pa.bool_()))
    return compute.and_(mine, compute.equal(table[_PARTITION], partition))


def _is_until(table: Any, last: EntryId) -> Any:
    """Return for each row whether its entry is not newer than one."""
    millis = table[_MILLIS]
    of_that_moment = compute.and_(
        compute.equal(millis, last.unix_millis), compute.less_equal(table[_SEQUENCE], min(last.sequence, _MAX_INT64))
    )
    return compute.or_(compute.less(millis, last.unix_millis), of_that_moment)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ArchiveReadError(f"{path}: cannot be read ({error}); put the right one back, or remove it") from error
