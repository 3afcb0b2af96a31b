"""Streams the columns of a Parquet, Excel, CSV or JSON file, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.files.layout import COMMAS, FileLayout
from presage_training.readers.files.opening import (
    COMPRESSIONS,
    is_compressed,
    open_binary,
    read_beginning,
    uncompressed_name,
)
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = [
    "DOWNLOAD_AGAIN",
    "LOG_SUFFIXES",
    "VAGUE_SUFFIXES",
    "Batch",
    "FileKind",
    "column_names",
    "file_kind",
    "file_stem",
    "first_rows",
    "is_vague",
    "read_batches",
    "require_columns",
]

DOWNLOAD_AGAIN = "Download or write it again."
"""The advice for a damaged file."""

_SHOWN_COLUMNS, _SHOWN_CHARACTERS = 30, 40


class FileKind(Enum):
    """The kinds of files that hold rows."""

    PARQUET = auto()
    EXCEL = auto()
    TEXT = auto()
    """Lines of cells with a separator between them."""
    JSON = auto()
    """One object a line, or an array of objects."""


LOG_SUFFIXES = {
    ".parquet": FileKind.PARQUET,
    ".xlsx": FileKind.EXCEL,
    ".csv": FileKind.TEXT,
    ".tsv": FileKind.TEXT,
    ".psv": FileKind.TEXT,
    ".jsonl": FileKind.JSON,
    ".ndjson": FileKind.JSON,
    ".json": FileKind.JSON,
}
"""The kind of each suffix; text and JSON may be compressed."""

VAGUE_SUFFIXES = (".txt", ".log", ".dat")
"""Suffixes of text that may also be JSON."""


class Batch(NamedTuple):
    """Consecutive rows, by column."""

    numbers: Sequence[int]
    """The number of each data row in the file, from 1."""
    columns: Sequence[Sequence[Any]]
    """The cells of each wanted column: text from CSV, typed or None from the others; one for each of ``numbers``."""
    instants: frozenset[int] = frozenset()
    """The indices of columns of times with a zone, whose cells are microseconds since 1970-01-01 UTC, or None."""


def file_stem(path: Path) -> str:
    """Return the name of a log without folder and suffixes: ``2019-Oct`` for ``logs/2019-Oct.csv.gz``."""
    name = path.name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSIONS else path.name
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in (*LOG_SUFFIXES, *VAGUE_SUFFIXES) else name


def file_kind(path: Path) -> FileKind:
    """Return the kind of a file by its name; text whose first character is ``{`` or ``[`` is JSON.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is of another kind.
    """
    name = uncompressed_name(path)
    suffix = Path(name).suffix.lower()
    kind = LOG_SUFFIXES.get(suffix)
    if kind in {FileKind.TEXT, FileKind.JSON} or (kind and not is_compressed(path)):
        return kind
    open_binary(path).close()  # a missing file, or a folder, is the better error
    if is_vague(suffix):
        is_json = read_beginning(path)[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
        return FileKind.JSON if is_json else FileKind.TEXT
    suffixes = ", ".join((*LOG_SUFFIXES, *VAGUE_SUFFIXES))
    advice = f"Expected a name that ends with one of {suffixes}, or, of text, with {', '.join(COMPRESSIONS)} after it."
    raise LogFormatError(path, "unknown kind of file", advice=advice)


def is_vague(suffix: str) -> bool:
    """Return whether files with a suffix may be text or JSON: also those without letters, as of ``part-00000`` and ``log.1``."""
    return suffix in VAGUE_SUFFIXES or not any(character.isalpha() for character in suffix)


def read_batches(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None = None,
    layout: FileLayout = COMMAS,
) -> Iterator[Batch]:
    """Read some columns of a file, in memory that does not grow with its length.

    An Excel sheet is the exception: it is read as a whole, about 600 bytes per row, and has at most 1,048,576 rows.

    Args:
        path: The file, of one of the kinds of FileKind.
        columns: The names of the columns, in the order in which their cells are wanted.
        skipped: Counts rows of text whose number of cells differs from the header's, and lines or values that are not JSON
            objects.
        progress: Updated with the share of the file that has been read.
        layout: How text is laid out.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is of another kind, damaged as a whole, or lacks a column.
    """
    # Imported here: each kind of file needs its own library.
    kind = file_kind(path)
    if kind is FileKind.PARQUET:
        from presage_training.readers.files.parquet_tables import read_parquet  # noqa: PLC0415

        return read_parquet(path, columns, progress=progress)
    if kind is FileKind.EXCEL:
        from presage_training.readers.files.excel_tables import read_excel  # noqa: PLC0415

        return read_excel(path, columns)
    if kind is FileKind.JSON:
        from presage_training.readers.files.json_tables import read_json  # noqa: PLC0415

        return read_json(path, columns, skipped=skipped, progress=progress, encoding=layout.encoding)
    from presage_training.readers.files.csv_tables import read_csv  # noqa: PLC0415

    return read_csv(path, columns, skipped=skipped, progress=progress, layout=layout)


def column_names(path: Path, layout: FileLayout) -> list[str]:
    """Return the names of a file's columns; in JSON the keys of the first objects, with dots between nested ones.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is of another kind, or damaged.
    """
    # Imported here: each kind of file needs its own library.
    kind = file_kind(path)
    if kind is FileKind.PARQUET:
        from presage_training.readers.files.parquet_tables import parquet_columns  # noqa: PLC0415

        return parquet_columns(path)
    if kind is FileKind.EXCEL:
        from presage_training.readers.files.excel_tables import excel_columns  # noqa: PLC0415

        return excel_columns(path)
    if kind is FileKind.JSON:
        from presage_training.readers.files.json_tables import json_keys  # noqa: PLC0415

        return json_keys(path, encoding=layout.encoding)
    from presage_training.readers.files.csv_tables import read_header  # noqa: PLC0415

    return read_header(path, layout)


def first_rows(batches: Iterable[Batch], rows: int | None) -> Iterator[Batch]:
    """Yield batches until there are a number of rows; all of them if it is None."""
    left = rows
    for batch in batches:
        if left is not None and len(batch.numbers) >= left:
            yield Batch(batch.numbers[:left], [cells[:left] for cells in batch.columns], batch.instants)
            return
        yield batch
        left = None if left is None else left - len(batch.numbers)


def require_columns(path: Path, columns: Sequence[str], *, found: Sequence[str]) -> None:
    """Raise LogFormatError if a file lacks a wanted column."""
    missing = [name for name in columns if name not in found]
    if missing:
        names = [repr(printable(name, most=_SHOWN_CHARACTERS)) for name in found[:_SHOWN_COLUMNS]]
        if len(found) > _SHOWN_COLUMNS:
            names.append(f"{len(found) - _SHOWN_COLUMNS:,} more")
        problem = f"no column {', '.join(map(repr, missing))} among {', '.join(names) or 'none'}"
        raise LogFormatError(path, problem, advice="Name the format, or in the mapping the columns, that the file has.")
