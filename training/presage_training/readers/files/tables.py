"""Streams the columns of a Parquet, CSV or Excel file, a batch of rows at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["DOWNLOAD_AGAIN", "UNREADABLE", "Batch", "file_stem", "open_binary", "read_batches", "require_columns"]

UNREADABLE = (EOFError, gzip.BadGzipFile, zlib.error)
"""The errors of reading a damaged ``.gz`` file."""

DOWNLOAD_AGAIN = "Download or write it again."
"""The advice for a damaged file."""

_SHOWN_COLUMNS, _SHOWN_CHARACTERS = 30, 40
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".xlsx", ".jsonl", ".jsonl.gz", ".json", ".json.gz")


class Batch(NamedTuple):
    """Consecutive rows, by column."""

    numbers: Sequence[int]
    """The number of each data row in the file, from 1."""
    columns: Sequence[Sequence[Any]]
    """The cells of each wanted column: text from CSV, typed or None from the others; one for each of ``numbers``."""
    instants: frozenset[int] = frozenset()
    """The indices of columns of times with a zone, whose cells are microseconds since 1970-01-01 UTC, or None."""


def file_stem(path: Path) -> str:
    """Return the name of a log without folder and suffix: ``2019-Oct`` for ``logs/2019-Oct.csv.gz``."""
    return next((path.name.removesuffix(suffix) for suffix in _SUFFIXES if path.name.endswith(suffix)), path.name)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its name ends with ``.gz``."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def read_batches(
    path: Path, columns: Sequence[str], *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Batch]:
    """Read some columns of a ``.parquet``, ``.csv``, ``.csv.gz`` or ``.xlsx`` file, in memory that does not grow with its length.

    An Excel sheet is the exception: it is read as a whole, about 600 bytes per row, and has at most 1,048,576 rows.

    Args:
        path: The file.
        columns: The names of the columns, in the order in which their cells are wanted.
        skipped: Counts CSV rows whose number of cells differs from the header's.
        progress: Updated with the share of the file that has been read.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is of another kind, damaged as a whole, or lacks a column.
    """
    # Imported here: each kind of file needs its own library.
    if path.suffix == ".parquet":
        from presage_training.readers.files.parquet_tables import read_parquet  # noqa: PLC0415

        return read_parquet(path, columns, progress=progress)
    if path.name.endswith((".csv", ".csv.gz")):
        from presage_training.readers.files.csv_tables import read_csv  # noqa: PLC0415

        return read_csv(path, columns, skipped=skipped, progress=progress)
    if path.suffix == ".xlsx":
        from presage_training.readers.files.excel_tables import read_excel  # noqa: PLC0415

        return read_excel(path, columns)
    path.open("rb").close()  # a missing file, or a folder, is the better error
    advice = "Expected a name that ends with .parquet, .csv, .csv.gz or .xlsx."
    raise LogFormatError(path, "unknown kind of file", advice=advice)


def require_columns(path: Path, columns: Sequence[str], *, found: Sequence[str]) -> None:
    """Raise LogFormatError if a file lacks a wanted column."""
    missing = [name for name in columns if name not in found]
    if missing:
        names = [repr(printable(name, most=_SHOWN_CHARACTERS)) for name in found[:_SHOWN_COLUMNS]]
        if len(found) > _SHOWN_COLUMNS:
            names.append(f"{len(found) - _SHOWN_COLUMNS:,} more")
        problem = f"no column {', '.join(map(repr, missing))} among {', '.join(names) or 'none'}"
        raise LogFormatError(path, problem, advice="Name the format, or in the mapping the columns, that the file has.")
