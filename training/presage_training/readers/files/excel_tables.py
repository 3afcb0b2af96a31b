"""Reads the columns of an Excel workbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from presage_training.errors import LogFormatError
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, Batch, require_columns

__all__ = ["excel_columns", "read_excel"]

_BATCH_ROWS = 8192


def read_excel(path: Path, columns: Sequence[str]) -> Iterator[Batch]:
    """Read some columns of the first sheet, whose first row names them; see ``read_batches``.

    Cells are text, float, bool, datetime without a zone, or empty text.
    """
    with _first_sheet(path) as rows:
        header = [str(cell) for cell in next(rows, [])]
        require_columns(path, columns, found=header)
        yield from _batches(rows, [header.index(name) for name in columns])


def excel_columns(path: Path) -> list[str]:
    """Return the names of the columns of the first sheet."""
    with _first_sheet(path) as rows:
        return [str(cell) for cell in next(rows, [])]


@contextmanager
def _first_sheet(path: Path) -> Iterator[Iterator[list[Any]]]:
    try:
        with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as workbook:
            yield iter(workbook.get_sheet_by_index(0).iter_rows())
    except CalamineError as error:
        raise LogFormatError(path, f"not a readable Excel workbook ({error})", advice=DOWNLOAD_AGAIN) from error


def _batches(rows: Iterator[list[Any]], places: Sequence[int]) -> Iterator[Batch]:
    first = 1
    while batch := list(islice(rows, _BATCH_ROWS)):
        columns = list(zip(*batch, strict=True))
        yield Batch(range(first, first + len(batch)), [columns[place] for place in places])
        first += len(batch)
