"""Streams keys of JSON lines as columns."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.files.opening import UNREADABLE, open_utf8
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, Batch
from presage_training.readers.progress import ReadProgress
from presage_training.readers.reasons import LimitedReasons
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["json_keys", "read_json_lines"]

_BATCH_LINES = 8192
_SHOWN_CHARACTERS = 60
_SNIFFED_LINES = 1_000


def read_json_lines(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None = None,
    encoding: str = "utf-8",
) -> Iterator[Batch]:
    """Read some keys of the objects in a file, one per line, in bounded memory.

    Args:
        path: The file.
        columns: The keys, with dots between those of objects in objects, as in ``user.id`` and ``items.0.id``. Cells are text or
            numbers, None if missing.
        skipped: Counts the lines that are not JSON objects.
        progress: Updated with the share of the file that has been read.
        encoding: The encoding of the file; guessed if empty.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is damaged as a whole.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    reasons = LimitedReasons()
    try:
        with open_utf8(path, encoding) as file:
            lines = enumerate(file, 1)
            while batch := list(islice(lines, _BATCH_LINES)):
                numbers, rows = [], []
                for number, line in batch:
                    if line.isspace():
                        continue
                    try:
                        found = decoder.decode(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
                        row = [_cell(found, column) for column in columns]
                    except (msgspec.DecodeError, ValueError) as error:
                        start = line[:_SHOWN_CHARACTERS].decode(errors="replace").rstrip()
                        reason = reasons.of("unreadable line", printable(str(error)))
                        skipped.add(reason, where=f"line {number}", what=f"{error}: {start}")
                    else:
                        numbers.append(number)
                        rows.append(row)
                if progress:
                    progress.update_from(file)
                if rows:
                    yield Batch(numbers, list(zip(*rows, strict=True)))
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error


def json_keys(path: Path, *, encoding: str) -> list[str]:
    """Return the keys of the first lines, with dots between those of objects in objects; of an array, those of its first object."""
    keys: dict[str, None] = {}
    try:
        with open_utf8(path, encoding) as file:
            for line in islice(file, _SNIFFED_LINES):
                try:
                    found = msgspec.json.decode(line.removeprefix(codecs.BOM_UTF8), type=dict[str, Any])
                except (msgspec.DecodeError, ValueError):
                    continue
                keys.update(dict.fromkeys(_keys(found, "")))
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error
    # A key may hold an object in one line and nothing in another.
    objects = {key[:place] for key in keys for place, character in enumerate(key) if character == "."}
    return [key for key in keys if key not in objects]


def _keys(found: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield prefix + key
        elif value and isinstance(value[0], dict):
            yield from _keys(value[0], f"{prefix}{key}.0.")


def _cell(line: dict[str, Any], column: str) -> Any:
    cell = line.get(column)
    if cell is None and "." in column:
        first, _, rest = column.partition(".")
        inner = line.get(first)
        if isinstance(inner, list):
            # The keys of an array are the numbers of its elements.
            inner = {str(number): element for number, element in enumerate(inner)}
        return _cell(inner, rest) if isinstance(inner, dict) else None
    if isinstance(cell, bool):
        return str(cell).lower()  # True equals 1
    if isinstance(cell, dict | list):
        kind = "an array" if isinstance(cell, list) else "an object"
        raise ValueError(f"expected text or a number in {column!r}, got {kind}")  # noqa: TRY004 - the file's fault, not the caller's
    return cell
