"""Reads a bounded sample of a log whose format is unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from presage_training.errors import LogFormatError
from presage_training.inspecting.headers import names_columns
from presage_training.quoting import printable
from presage_training.readers.files.cells import id_text
from presage_training.readers.files.csv_tables import find_separator
from presage_training.readers.files.layout import FileLayout
from presage_training.readers.files.opening import guess_encoding, read_beginning
from presage_training.readers.files.tables import FileKind, column_names, file_kind, first_rows, read_batches
from presage_training.readers.log_files import LogPart, log_parts
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["Sample", "read_sample"]

_MAX_PARTS = 20
_MISSING_WORDS = frozenset(
    {
        "NULL",
        "null",
        "Null",
        "\\N",
        "None",
        "none",
        "NaN",
        "nan",
        "NA",
        "N/A",
        "n/a",
        "-",
        "--",
        "undefined",
        "(not set)",
        "#N/A",
    }
)
_NUMBER = re.compile(r"[-+]?[\d.,'\u2019\s]*\d")
_COMMA_DECIMAL = re.compile(r"[-+]?(?:\d{1,3}(?:[.'\u2019\s]\d{3})+|\d+),\d+")
_POINT_DECIMAL = re.compile(r"[-+]?(?:\d{1,3}(?:[,'\u2019\s]\d{3})+|\d+)\.\d+")
_GROUP = re.compile(r"[-+]?\d{1,3}[.,]\d{3}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The first rows of some files of a log, by column."""

    path: Path
    parts: Sequence[LogPart]
    """The files that were read."""
    all_parts: int
    """How many files the log has."""
    rows_per_part: int
    """At most this number of rows was read from each."""
    layout: FileLayout
    is_text: bool
    """Whether the cells are text with a separator between them."""
    rows: int
    columns: Mapping[str, Sequence[Any]]
    """The cells of each column, None where they are missing."""

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column that are not missing, as text."""
        return [_text(cell) for cell in self.columns[column] if cell is not None]


def read_sample(path: Path, *, rows: int) -> Sample:
    """Read the first rows of a log's files, at most 20 of them.

    Raises:
        OSError: if a file cannot be opened.
        LogFormatError: if the log holds no rows, or is of an unknown kind.
    """
    found = log_parts(path)
    parts = found[:: -(-len(found) // _MAX_PARTS)]
    kind = file_kind(parts[0].path)
    layout = FileLayout()
    if kind in {FileKind.TEXT, FileKind.JSON}:
        encodings = [guess_encoding(read_beginning(part.path)) for part in parts]
        layout = replace(layout, encoding=next((name for name in encodings if name != "utf-8"), "utf-8"))
    if kind is FileKind.TEXT:
        layout = replace(layout, separator=find_separator(parts[0].path, layout, ()))
        layout = replace(layout, has_header=names_columns(parts, layout))
    names = list(dict.fromkeys(filter(None, column_names(parts[0].path, layout))))
    if not names:
        raise LogFormatError(path, "has no columns", advice="Expected a first line of names, or lines of JSON objects.")
    _check_columns(path, parts, layout, names)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    rows_per_part = max(rows // len(parts), 1)
    for part in parts:
        batches = read_batches(part.path, names, skipped=SkippedRows(), layout=layout)
        for batch in first_rows(batches, rows_per_part):
            for place, (name, cells) in enumerate(zip(names, batch.columns, strict=True)):
                columns[name].extend(map(_instant, cells) if place in batch.instants else cells)
    count = len(columns[names[0]])
    if not count:
        raise LogFormatError(path, "has no rows", advice="Name a log that has some.")
    missing = sorted(
        {cell.strip() for cells in columns.values() for cell in cells if isinstance(cell, str)} & _MISSING_WORDS
    )
    layout = replace(layout, missing=tuple(missing))
    empty = {"", *missing}
    present = {name: [None if _is_missing(cell, empty) else cell for cell in cells] for name, cells in columns.items()}
    if kind in {FileKind.TEXT, FileKind.JSON} and _has_decimal_commas(present):
        layout = replace(layout, decimal=",")
    return Sample(
        path=path,
        parts=parts,
        all_parts=len(found),
        rows_per_part=rows_per_part,
        layout=layout,
        is_text=kind is FileKind.TEXT,
        rows=count,
        columns=present,
    )


def _check_columns(path: Path, parts: Sequence[LogPart], layout: FileLayout, names: Sequence[str]) -> None:
    """Raise LogFormatError if files do not have the columns of the first; the keys of JSON may be missing."""
    for part in parts[1:]:
        found = column_names(part.path, layout)
        if file_kind(part.path) is not FileKind.JSON and set(names) - set(found):
            files = " and ".join(
                f"{file.path.name} ({printable(', '.join(columns))})"
                for file, columns in ((parts[0], names), (part, found))
            )
            raise LogFormatError(
                path,
                f"its files have different columns: {files}",
                advice=f"Name one, such as {parts[0].path}, or a pattern.",
            )


def _text(cell: Any) -> str:
    return str(cell) if isinstance(cell, float) and not cell.is_integer() else id_text(cell)


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _is_missing(cell: Any, empty: set[str]) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip() in empty)  # noqa: PLR0124 - NaN


def _has_decimal_commas(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether more columns of numbers have decimal commas than points."""
    commas = points = 0
    for cells in columns.values():
        texts = {cell.strip() for cell in cells if isinstance(cell, str)}
        numbers = {text for text in texts if _NUMBER.fullmatch(text.strip("€$£ "))}
        if not numbers or len(numbers) < 0.9 * len(texts):
            continue
        clear = {text.strip("€$£ ") for text in numbers if not _GROUP.fullmatch(text.strip("€$£ "))}
        commas += any(_COMMA_DECIMAL.fullmatch(text) for text in clear)
        points += any(_POINT_DECIMAL.fullmatch(text) for text in clear)
    return commas > points
