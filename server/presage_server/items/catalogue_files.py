"""Rows of a catalogue's file, text or Parquet, a few at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from presage_featurizer.ranking.catalogue_rows import FIELDS, match_columns
from presage_featurizer.ranking.separators import guess_separator
from presage_server.errors import ServerError
from presage_server.items.catalogue_rows import NOT_TEXT, is_text

__all__ = ["CatalogueFile", "CatalogueFileError", "Row", "open_catalogue"]

_ROWS_PER_BATCH = 5_000
_TEXT = (".csv", ".tsv")


class CatalogueFileError(ServerError):
    """Expected: the file cannot be read as a catalogue; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    line: int
    """Its line in a CSV, from 1 with the header; its number in a Parquet file, from 1."""
    values: Mapping[str, Any]
    """By field, as the file has them; fields that the file does not have are missing."""
    problem: str = ""
    """Why the row cannot be read; empty if it can."""


class CatalogueFile:
    """A file of items, open for reading. Use ``open_catalogue``."""

    def __init__(self, rows: Iterator[Row], columns: Mapping[str, str], unused: Sequence[str]) -> None:
        self.rows = rows
        self.columns = columns
        """The column of each field that the file has."""
        self.unused = unused
        """Columns that no field takes."""
        self.share = 0.0
        """How much of it has been read, 0 to 1."""


def open_catalogue(
    path: Path, columns: Mapping[str, str], encoding: str = "utf-8"
) -> AbstractContextManager[CatalogueFile]:
    """Open a file by its ending: .csv, .tsv or .parquet.

    The header says what separates cells: a comma, a semicolon, a tab or a bar; in .tsv it is a tab.

    Args:
        path: The file.
        columns: The columns of fields that are not named like the field.
        encoding: Of text.

    Raises:
        CatalogueFileError: It cannot be read, or lacks a column.
    """
    if path.suffix == ".parquet":
        return nullcontext(_open_parquet(path, columns))
    if path.suffix in _TEXT:
        return _Csv(path, columns, encoding)
    raise CatalogueFileError(f"{path}: expected a file that ends in .csv, .tsv or .parquet")


class _Csv(AbstractContextManager[CatalogueFile]):
    def __init__(self, path: Path, columns: Mapping[str, str], encoding: str) -> None:
        self._path = path
        self._encoding = "utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding
        self._columns = columns
        self._file: TextIO | None = None
        self._separator = ","

    def __enter__(self) -> CatalogueFile:
        try:
            # Bytes that are not of the encoding make their own row a bad one, not the file.
            self._file = self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")
            first = self._file.readline()
            wanted = [self._columns.get(name, name) for name in FIELDS]
            self._separator = "\t" if self._path.suffix == ".tsv" else guess_separator(first, wanted)
            header = next(csv.reader([first], delimiter=self._separator), [])
        except LookupError as error:
            raise CatalogueFileError(f"--encoding: {error}; expected one such as utf-8, cp1252 or utf-16") from error
        except (OSError, csv.Error, UnicodeError) as error:
            raise CatalogueFileError(f"{self._path}: cannot be read: {error}") from error
        try:
            found, unused = self._columns_of(header)
        except CatalogueFileError:
            self._file.close()
            raise
        catalogue = CatalogueFile(iter(()), found, unused)
        catalogue.rows = self._rows(self._file, header, catalogue)
        return catalogue

    def _columns_of(self, header: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        if not header:
            raise CatalogueFileError(f"{self._path}: is empty; expected a first line with the names of its columns")
        if not is_text("".join(header)):
            raise CatalogueFileError(f"{self._path}: its first line {NOT_TEXT}")
        return _match(self._path, header, self._columns)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _rows(self, file: TextIO, header: Sequence[str], catalogue: CatalogueFile) -> Iterator[Row]:
        size = max(1, self._path.stat().st_size)
        places = {name: header.index(column) for name, column in catalogue.columns.items()}
        reader = csv.reader(file, delimiter=self._separator)
        while True:
            line = reader.line_num + 2
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield Row(line, {}, str(error))
                continue
            if cells is None:
                break
            if line % _ROWS_PER_BATCH == 0:
                catalogue.share = min(1.0, file.buffer.tell() / size)
            if not cells:
                continue
            if len(cells) != len(header):
                yield Row(line, {}, f"expected {len(header)} columns, got {len(cells)}")
                continue
            yield Row(line, {name: cells[place] for name, place in places.items()})
        catalogue.share = 1.0


def _open_parquet(path: Path, columns: Mapping[str, str]) -> CatalogueFile:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - only this format needs it

    try:
        file = parquet.ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise CatalogueFileError(f"{path}: cannot be read: {error}") from error
    found, unused = _match(path, file.schema_arrow.names, columns)
    catalogue = CatalogueFile(iter(()), found, unused)
    catalogue.rows = _parquet_rows(path, file, catalogue)
    return catalogue


def _parquet_rows(path: Path, file: Any, catalogue: CatalogueFile) -> Iterator[Row]:
    from pyarrow import ArrowException  # noqa: PLC0415 - as above

    total, line = max(1, file.metadata.num_rows), 0
    names = list(catalogue.columns)
    try:
        for batch in file.iter_batches(_ROWS_PER_BATCH, columns=list(catalogue.columns.values())):
            read = [batch[catalogue.columns[name]].to_pylist() for name in names]
            for cells in zip(*read, strict=True):
                line += 1
                yield Row(line, dict(zip(names, cells, strict=True)))
            catalogue.share = line / total
    except (OSError, ArrowException) as error:
        raise CatalogueFileError(f"{path}: cannot be read after row {line:,}: {error}") from error


def _match(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    try:
        return match_columns(str(path), header, columns)
    except ValueError as error:
        raise CatalogueFileError(str(error)) from error
