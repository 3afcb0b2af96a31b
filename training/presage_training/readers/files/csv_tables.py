"""Streams the columns of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

from presage_training.errors import LogFormatError
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, UNREADABLE, Batch, open_binary, require_columns
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_csv"]

_BLOCK_BYTES = 1 << 19


def read_csv(
    path: Path, columns: Sequence[str], *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Batch]:
    """Read some columns, all cells as text; see ``read_batches``.

    No cell spans lines, so an unclosed quote costs one row, not the rest. Bytes that are not UTF-8 become U+FFFD.
    """
    try:
        with open_binary(path) as file:
            header = _split(file.readline().decode("utf-8-sig", errors="replace"))
            require_columns(path, columns, found=header)
            first = 1
            while block := file.read(_BLOCK_BYTES):
                block += file.readline()
                lines = block.count(b"\n") + (not block.endswith(b"\n"))
                cells = _read_block(block, lines, header, columns)
                if cells is None:
                    yield _read_lines(block, first, header, columns, skipped)
                else:
                    yield Batch(range(first, first + lines), cells)
                first += lines
                if progress:
                    progress.update_from(file)
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error


def _read_block(block: bytes, lines: int, header: Sequence[str], columns: Sequence[str]) -> list[list[str]] | None:
    """Read many lines at once; None if the result could differ from reading them one by one."""
    if block.count(b"\r") != block.count(b"\r\n"):
        return None
    # Names may be missing or occur twice; indices may not.
    places = list(map(str, range(len(header))))
    wanted = [str(header.index(name)) for name in columns]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=places),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(dict.fromkeys(wanted)), column_types=dict.fromkeys(wanted, pa.string())
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines:
        return None  # an empty line, or a cell that spans two
    if any("\n" in column[-1].as_py() for column in table.columns):
        return None  # an unclosed quote: its cell contains the end of the last line
    if any(compute.max(compute.binary_length(column)).as_py() > csv.field_size_limit() for column in table.columns):
        return None
    return [table[place].to_pylist() for place in wanted]


def _read_lines(block: bytes, first: int, header: Sequence[str], columns: Sequence[str], skipped: SkippedRows) -> Batch:
    places = [header.index(name) for name in columns]
    numbers, rows = [], []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), first):
        cells = _split(line.decode(errors="replace"))
        if len(cells) == len(header):
            numbers.append(number)
            rows.append(cells)
        elif cells:
            what = f"expected {len(header)} cells, got {len(cells)}"
            skipped.add("wrong number of cells", where=f"row {number}", what=what)
    return Batch(numbers, [[row[place] for row in rows] for place in places])


def _split(line: str) -> list[str]:
    """Split one line; empty for an empty line, a single cell if it is unparseable."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]
