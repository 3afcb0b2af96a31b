"""Turns columns of cells into columns of values, and leaves out the rows in which that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from presage_featurizer import MAX_UNIX_MICROS
from presage_training.readers.files.tables import Batch
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["LeftOutError", "Values", "convert", "keep_readable"]

_REMEMBERED = 1 << 16


class LeftOutError(ValueError):
    """A cell that can be read, and for which the row is left out nevertheless."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason
        """Why, in words that many rows share."""


class Values(NamedTuple):
    """Some rows, converted."""

    numbers: Sequence[int]
    """The number of each row of data in the file, from 1 on."""
    columns: Sequence[Sequence[Any]]
    """The values of each column, one for each of ``numbers``; a cell without a value is the ValueError that says why."""
    complete: bool
    """Whether all cells have values."""


class _Converter(dict[Any, Any]):
    """Converts the cells of one column, each different one once: most cells of a log were seen before.

    Equal cells give the same object, so what is kept of the events shares its text.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function
        self.failures = 0

    def __missing__(self, cell: Any) -> Any:
        try:
            value = self._function(cell)
        except ValueError as error:
            self.failures += 1
            return error
        self[cell] = value
        return value

    def convert(self, cells: Sequence[Any]) -> list[Any]:
        if len(self) > _REMEMBERED:
            self.clear()
        return list(map(self.__getitem__, cells))


def convert(batches: Iterable[Batch], functions: Mapping[str, Callable[[Any], Any]]) -> Iterator[Values]:
    """Convert the columns of a table.

    Args:
        batches: The table, with a column for each of ``functions``.
        functions: By the name of the column, what turns a cell into a value or raises ValueError; equal cells into equal values.
            Times with a zone do not go through it.
    """
    converters = [_Converter(function) for function in functions.values()]
    instants = _Converter(_unix_micros)
    for batch in batches:
        before = instants.failures + sum(converter.failures for converter in converters)
        columns = []
        for place, (converter, cells) in enumerate(zip(converters, batch.columns, strict=True)):
            if place not in batch.instants:
                columns.append(converter.convert(cells))
            elif cells and None not in cells and min(cells) >= 1 and max(cells) <= MAX_UNIX_MICROS:
                columns.append(list(cells))
            else:
                columns.append(instants.convert(cells))
        after = instants.failures + sum(converter.failures for converter in converters)
        yield Values(batch.numbers, columns, complete=before == after)


def keep_readable(tables: Iterable[Values], skipped: SkippedRows) -> Iterator[Values]:
    """Leave out each row with a cell that has no value, for the first such cell."""
    for values in tables:
        if values.complete:
            yield values
            continue
        rows = []
        for row in zip(values.numbers, *values.columns, strict=True):
            fault = next((value for value in row if isinstance(value, ValueError)), None)
            if fault is None:
                rows.append(row)
            else:
                reason = fault.reason if isinstance(fault, LeftOutError) else "unreadable row"
                skipped.add(reason, where=f"row {row[0]}", what=str(fault))
        if rows:
            numbers, *columns = zip(*rows, strict=True)
            yield Values(numbers, columns, complete=True)


def _unix_micros(cell: int | None) -> int:
    if cell is None:
        raise ValueError("expected a time, got an empty cell")
    if not 1 <= cell <= MAX_UNIX_MICROS:
        raise ValueError(f"expected a time between 1970 and 2255, got {cell} microseconds after 1970")
    return cell
