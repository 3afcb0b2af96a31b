"""Streams keys of JSON lines as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from presage_training.errors import LogFormatError
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, UNREADABLE, Batch, open_binary
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["read_json_lines"]

_BATCH_LINES = 8192
_SHOWN_CHARACTERS = 60


def read_json_lines(
    path: Path, columns: Sequence[str], *, skipped: SkippedRows, progress: ReadProgress | None = None
) -> Iterator[Batch]:
    """Read some keys of the objects in a ``.jsonl`` or ``.jsonl.gz`` file, one per line, in bounded memory.

    Args:
        path: The file.
        columns: The keys, with dots between those of objects in objects. Cells are text or numbers, None if missing.
        skipped: Counts the lines that are not JSON objects.
        progress: Updated with the share of the file that has been read.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is damaged as a whole.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with open_binary(path) as file:
            lines = enumerate(file, 1)
            while batch := list(islice(lines, _BATCH_LINES)):
                numbers, rows = [], []
                for number, line in batch:
                    if line.isspace():
                        continue
                    try:
                        found = decoder.decode(line)
                        row = [_cell(found, column) for column in columns]
                    except (msgspec.DecodeError, ValueError) as error:
                        start = line[:_SHOWN_CHARACTERS].decode(errors="replace").rstrip()
                        skipped.add("unreadable line", where=f"line {number}", what=f"{error}: {start}")
                    else:
                        numbers.append(number)
                        rows.append(row)
                if progress:
                    progress.update_from(file)
                if rows:
                    yield Batch(numbers, list(zip(*rows, strict=True)))
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error


def _cell(line: dict[str, Any], column: str) -> Any:
    cell = line.get(column)
    if cell is None and "." in column:
        first, _, rest = column.partition(".")
        inner = line.get(first)
        return _cell(inner, rest) if isinstance(inner, dict) else None
    if isinstance(cell, bool):
        return str(cell).lower()  # True equals 1
    if isinstance(cell, dict | list):
        kind = "an array" if isinstance(cell, list) else "an object"
        raise ValueError(f"expected text or a number in {column!r}, got {kind}")  # noqa: TRY004 - the file's fault, not the caller's
    return cell
