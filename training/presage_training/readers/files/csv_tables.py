"""Streams the columns of a text file of cells: CSV, or with another separator."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

from presage_featurizer.ranking.separators import guess_separator, split_line
from presage_training.errors import LogFormatError
from presage_training.readers.files.layout import COMMAS, FileLayout
from presage_training.readers.files.opening import UNREADABLE, open_utf8
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, Batch, require_columns
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["find_separator", "first_lines", "read_csv", "read_header"]

_BLOCK_BYTES = 1 << 19
_SNIFFED_LINES = 50
_REMARK = re.compile(rb"#[^,;|\t]*\n")


def read_csv(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None = None,
    layout: FileLayout = COMMAS,
) -> Iterator[Batch]:
    """Read some columns, all cells as text; see ``read_batches``.

    No cell spans lines, so an unclosed quote costs one row, not the rest. Invalid bytes become U+FFFD.
    """
    separator = find_separator(path, layout, columns)
    with _opened(path, layout) as file:
        _, line = _start(file)
        header = layout.column_names(line.decode(errors="replace"), separator)
        require_columns(path, columns, found=header)
        first, unread = 1, b"" if layout.has_header else line
        while block := unread + file.read(_BLOCK_BYTES):
            unread = b""
            block += file.readline()
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            cells = _read_block(block, lines, header, columns, separator)
            if cells is None:
                yield _read_lines(block, first, header, columns, separator, skipped=skipped)
            else:
                yield Batch(range(first, first + lines), cells)
            first += lines
            if progress:
                progress.update_from(file)


def read_header(path: Path, layout: FileLayout) -> list[str]:
    """Return the names of the columns."""
    separator = find_separator(path, layout, ())
    with _opened(path, layout) as file:
        return layout.column_names(_start(file)[1].decode(errors="replace"), separator)


@contextmanager
def _opened(path: Path, layout: FileLayout) -> Iterator[BinaryIO]:
    try:
        with open_utf8(path, layout.encoding) as file:
            yield file
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error


def _start(file: BinaryIO) -> tuple[str, bytes]:
    """Read to the first line that counts, and return the separator that a line ``sep=;`` before it names, as Excel writes it.

    Empty lines, and remarks that begin with ``#`` and hold no separator, may come before.
    """
    line, separator = file.readline().removeprefix(codecs.BOM_UTF8), ""
    while line.isspace() or _REMARK.fullmatch(line) or line.lower().startswith(b"sep="):
        if line.lower().startswith(b"sep="):
            separator = line[len(b"sep=") :].decode(errors="replace").rstrip("\r\n")[:1]
        line = file.readline()
    return separator, line


def first_lines(path: Path, layout: FileLayout) -> list[str]:
    """Return the header of a file, if it has one, and some lines after it."""
    with _opened(path, layout) as file:
        lines = [_start(file)[1], *islice(file, _SNIFFED_LINES)]
    return [line.decode(errors="replace") for line in lines]


def find_separator(path: Path, layout: FileLayout, columns: Sequence[str]) -> str:
    """Return the separator of a file, guessed if the layout has none; it should have these columns."""
    if layout.separator:
        return layout.separator
    with _opened(path, layout) as file:
        separator, first = _start(file)
        if separator:
            return separator
        header = first.decode(errors="replace")
        following = [line.decode(errors="replace") for line in islice(file, _SNIFFED_LINES)]
    return guess_separator(header, columns, following)


def _read_block(
    block: bytes, lines: int, header: Sequence[str], columns: Sequence[str], separator: str
) -> list[list[str]] | None:
    """Read many lines at once; None if the result could differ from reading them one by one."""
    if block.count(b"\r") != block.count(b"\r\n") or block.startswith(codecs.BOM_UTF8):
        return None
    # Names may be missing or occur twice; indices may not.
    places = list(map(str, range(len(header))))
    wanted = [str(header.index(name)) for name in columns]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=places),
            parse_options=arrow_csv.ParseOptions(delimiter=separator),
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


def _read_lines(
    block: bytes, first: int, header: Sequence[str], columns: Sequence[str], separator: str, *, skipped: SkippedRows
) -> Batch:
    places = [header.index(name) for name in columns]
    numbers, rows = [], []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), first):
        cells = split_line(line.decode(errors="replace"), separator)
        if len(cells) == len(header):
            numbers.append(number)
            rows.append(cells)
        elif cells:
            what = f"expected {len(header)} cells, got {len(cells)}"
            skipped.add("wrong number of cells", where=f"row {number}", what=what)
    return Batch(numbers, [[row[place] for row in rows] for place in places])
