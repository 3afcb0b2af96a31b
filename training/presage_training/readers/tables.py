"""Streams the rows of a Parquet or CSV file."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

from presage_training.errors import LogFormatError
from presage_training.readers.skips import Skips

__all__ = ["DOWNLOAD_ANEW", "UNREADABLE", "Row", "file_stem", "open_binary", "read_rows"]

Row = tuple[int, tuple[Any, ...]]
"""The number of a row of data, from 1 on, and its values: text from CSV, typed or None from Parquet."""

UNREADABLE = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged ``.gz`` file raises."""

DOWNLOAD_ANEW = "Download or write it anew."
"""What to do about a damaged file."""

_BATCH_ROWS = 8192
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".json", ".json.gz")


def file_stem(path: Path) -> str:
    """Return the name of a log without folder and suffix: ``2019-Oct`` for ``logs/2019-Oct.csv.gz``."""
    return next((path.name.removesuffix(suffix) for suffix in _SUFFIXES if path.name.endswith(suffix)), path.name)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking it if its name ends with ``.gz``."""
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def read_rows(path: Path, columns: Sequence[str], *, skips: Skips) -> Iterator[Row]:
    """Read some columns of a ``.parquet``, ``.csv`` or ``.csv.gz`` file, in bounded memory.

    Args:
        path: The file.
        columns: The names of the columns, in the order in which their values are wanted.
        skips: Is told of CSV rows whose number of cells is not that of the header.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is of another kind, damaged as a whole, or lacks a column.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, columns)
    if path.name.endswith((".csv", ".csv.gz")):
        return _read_csv(path, columns, skips)
    raise LogFormatError(
        path, "unknown kind of file", advice="Expected a name that ends with .parquet, .csv or .csv.gz."
    )


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    # The other kinds of file, and the command's help, do without this library.
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with path.open("rb") as stream, parquet.ParquetFile(stream) as file:
            _require_columns(path, columns, found=file.schema_arrow.names)
            first = 1
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                yield from enumerate(zip(*(batch[name].to_pylist() for name in columns), strict=True), first)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise LogFormatError(path, f"not a readable Parquet file ({error})", advice=DOWNLOAD_ANEW) from error


def _read_csv(path: Path, columns: Sequence[str], skips: Skips) -> Iterator[Row]:
    try:
        with (
            open_binary(path) as packed,
            TextIOWrapper(packed, encoding="utf-8-sig", errors="replace", newline="") as file,
        ):
            header = _cells(file.readline())
            _require_columns(path, columns, found=header)
            places = [header.index(name) for name in columns]
            # Line by line, because no cell of these logs spans lines: so a quote that is never closed costs one row, not the rest.
            for number, line in enumerate(file, 1):
                cells = _cells(line)
                if len(cells) == len(header):
                    yield number, tuple(cells[place] for place in places)
                elif cells:
                    what = f"expected {len(header)} cells, got {len(cells)}"
                    skips.add("wrong number of cells", where=f"row {number}", what=what)
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_ANEW) from error


def _cells(line: str) -> list[str]:
    """Split one line of CSV; empty for an empty line, a single cell where it is hopeless."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]


def _require_columns(path: Path, columns: Sequence[str], *, found: Sequence[str]) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        problem = f"no column {', '.join(map(repr, missing))} among {', '.join(map(repr, found)) or 'none'}"
        raise LogFormatError(path, problem, advice="Name the format that the file has, or restore the column.")
