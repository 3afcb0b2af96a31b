"""Streams keys of JSON objects as columns."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from presage_training.errors import LogFormatError
from presage_training.quoting import printable
from presage_training.readers.files.json_values import BEGINNING_BYTES, JsonDocumentError, document_start, read_values
from presage_training.readers.files.opening import UNREADABLE, open_utf8
from presage_training.readers.files.tables import DOWNLOAD_AGAIN, Batch
from presage_training.readers.progress import ReadProgress
from presage_training.readers.reasons import LimitedReasons
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["json_keys", "read_json"]

_BATCH_ROWS = 8192
_SHOWN_CHARACTERS = 60
_SNIFFED_OBJECTS = 1_000


def read_json(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None = None,
    encoding: str = "utf-8",
) -> Iterator[Batch]:
    """Read some keys of the objects in a file, one per line or in an array, in bounded memory.

    Args:
        path: The file.
        columns: The keys, with dots between those of objects in objects, as in ``user.id`` and ``items.0.id``. Of an array of
            objects with the keys ``key`` and ``value``, the keys are names: ``params.page``. Cells are text or numbers, None if
            missing.
        skipped: Counts the lines, or the values of an array, that are not JSON objects.
        progress: Updated with the share of the file that has been read.
        encoding: The encoding of the file; guessed if empty.

    Raises:
        OSError: if the file cannot be opened.
        LogFormatError: if it is damaged as a whole.
    """
    reasons = LimitedReasons()
    with _opened(path, encoding) as (file, unit, objects):
        is_over = False
        while not is_over:
            numbers, rows, is_over = [], [], True
            # One object at a time: a batch of them costs the collector of garbage more than all else.
            for number, found in objects:
                try:
                    if isinstance(found, ValueError):
                        raise found
                    rows.append([_cell(found, column) for column in columns])
                    numbers.append(number)
                except ValueError as error:
                    reason = reasons.of(f"unreadable {unit}", printable(str(error)))
                    what = f"{error}: {error.line}" if isinstance(error, _LineError) else str(error)
                    skipped.add(reason, where=f"{unit} {number}", what=what)
                if len(rows) == _BATCH_ROWS:
                    is_over = False
                    break
            if progress:
                progress.update_from(file)
            if rows:
                yield Batch(numbers, list(zip(*rows, strict=True)))


def json_keys(path: Path, *, encoding: str) -> list[str]:
    """Return the keys of the first objects, with dots between nested ones; of an array, those of its first object."""
    keys: dict[str, None] = {}
    with _opened(path, encoding) as (_, _, objects):
        for _, found in islice(objects, _SNIFFED_OBJECTS):
            if isinstance(found, dict):
                keys.update(dict.fromkeys(_keys(found, "")))
    # A key may hold an object in one line and nothing in another.
    parents = {key[:place] for key in keys for place, character in enumerate(key) if character == "."}
    return [key for key in keys if key not in parents]


_Objects = Iterator[tuple[int, dict[str, Any] | ValueError]]
"""The number of each object, and the object, or why it is none."""


class _LineError(ValueError):
    """A line that is no JSON object."""

    def __init__(self, problem: str, line: str) -> None:
        super().__init__(problem)
        self.line = line


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[tuple[BinaryIO, str, _Objects]]:
    """Open a file, and return it, what its objects are counted in, and the objects."""
    try:
        with open_utf8(path, encoding) as file:
            start = document_start(file.read(BEGINNING_BYTES))
        with open_utf8(path, encoding) as file:
            yield (file, "line", _lines(file)) if start is None else (file, "object", _values(file, start))
    except UNREADABLE as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=DOWNLOAD_AGAIN) from error
    except JsonDocumentError as error:
        raise LogFormatError(path, str(error), advice="Write the file again, or one object a line.") from error


def _lines(file: BinaryIO) -> _Objects:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for number, line in enumerate(file, 1):
        if line.isspace():
            continue
        try:
            yield number, decoder.decode(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
        except (msgspec.DecodeError, ValueError) as error:
            yield number, _LineError(str(error), line[:_SHOWN_CHARACTERS].decode(errors="replace").rstrip())


def _values(file: BinaryIO, start: int) -> _Objects:
    for number, value in enumerate(read_values(file, start), 1):
        yield (
            number,
            value if isinstance(value, dict | ValueError) else ValueError(f"expected an object, got {value!r}"),
        )


def _keys(found: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield prefix + key
        elif named := _named(value):
            yield from (f"{prefix}{key}.{name}" for name in named)
        elif value and isinstance(value[0], dict):
            yield from _keys(value[0], f"{prefix}{key}.0.")


def _named(array: list[Any]) -> dict[str, Any]:
    """Return the values of an array of objects with ``key`` and ``value``, as those of Google Analytics; empty for others."""
    named: dict[str, Any] = {}
    for element in array:
        if not isinstance(element, dict) or "value" not in element or not isinstance(element.get("key"), str):
            return {}
        value = element["value"]
        if isinstance(value, dict):
            # Its key is the type of the value.
            value = next((typed for typed in value.values() if typed is not None), None)
        named[element["key"]] = value
    return named


def _cell(line: dict[str, Any], column: str) -> Any:
    cell = line.get(column)
    if cell is None and "." in column:
        first, _, rest = column.partition(".")
        inner = line.get(first)
        if isinstance(inner, list):
            # The keys of an array are the numbers of its elements, unless these have names.
            number = rest.partition(".")[0]
            inner = dict(zip([number], inner[int(number) :], strict=False)) if number.isdecimal() else _named(inner)
        return _cell(inner, rest) if isinstance(inner, dict) else None
    if isinstance(cell, bool):
        return str(cell).lower()  # True equals 1
    if isinstance(cell, dict | list):
        kind = "an array" if isinstance(cell, list) else "an object"
        raise ValueError(f"expected text or a number in {column!r}, got {kind}")  # noqa: TRY004 - the file's fault, not the caller's
    return cell
