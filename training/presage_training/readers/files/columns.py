"""Converts columns of cells to columns of values, and skips the rows in which that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from presage_featurizer import MAX_UNIX_MICROS
from presage_training.quoting import printable
from presage_training.readers.files.tables import Batch
from presage_training.readers.reasons import LimitedReasons
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["CellReasons", "SkipRowError", "SkipValueError", "Values", "convert", "keep_readable"]

_REMEMBERED = 1 << 16
_MAX_SHOWN_CHARACTERS = 60


class SkipRowError(ValueError):
    """A readable cell that makes the reader skip its row."""

    def __init__(self, reason: str, what: str, *, value: object) -> None:
        super().__init__(what)
        self.reason = reason
        """The reason, the same text for many rows."""
        self.value = value
        """The content of the cell."""


class SkipValueError(SkipRowError):
    """A cell that the reader skips, while it keeps its row."""

    def __init__(self, reason: str, what: str, *, value: object, default: Any) -> None:
        super().__init__(reason, what, value=value)
        self.default = default
        """The value that the field gets."""


class Values(NamedTuple):
    """Some rows, converted."""

    numbers: Sequence[int]
    """The number of each data row in the file, from 1."""
    columns: Sequence[Sequence[Any]]
    """The values of each column, one for each of ``numbers``; of an invalid cell, its ValueError."""
    complete: bool
    """Whether all cells are valid."""


class _OfOneType(dict[Any, Any]):
    """Converts cells of one type, each distinct one once."""

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


class _Converter:
    """Converts the cells of one column, each distinct one once: most cells of a log repeat.

    Equal cells of a type give the same object, so events share their text. Those of different types may be different texts: 1 is
    equal to True.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._by_type: dict[type, _OfOneType] = {}

    @property
    def failures(self) -> int:
        return sum(converter.failures for converter in self._by_type.values())

    def convert(self, cells: Sequence[Any]) -> list[Any]:
        types = set(map(type, cells))
        for kind in types:
            known = self._by_type.setdefault(kind, _OfOneType(self._function))
            if len(known) > _REMEMBERED:
                known.clear()
        if len(types) == 1:
            return list(map(self._by_type[types.pop()].__getitem__, cells))
        return [self._by_type[type(cell)][cell] for cell in cells]


def convert(batches: Iterable[Batch], functions: Mapping[str, Callable[[Any], Any]]) -> Iterator[Values]:
    """Convert the columns of a table.

    Args:
        batches: The table, with a column for each of ``functions``.
        functions: By column name, the function that converts a cell or raises ValueError; equal cells of a type give equal values.
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


def keep_readable(tables: Iterable[Values], names: Sequence[str], skipped: SkippedRows) -> Iterator[Values]:
    """Skip each row with an invalid cell; the first such cell is the reason, and the first few of each column are named.

    Args:
        tables: The converted rows. Where a cell is a SkipValueError, its default replaces it and the row is kept.
        names: The names of the columns, for messages.
        skipped: Counts the rows and the values.
    """
    reasons = CellReasons(names)
    for values in tables:
        if values.complete:
            yield values
            continue
        rows = []
        for row in zip(values.numbers, *values.columns, strict=True):
            faults = [(place, value) for place, value in enumerate(row[1:]) if isinstance(value, ValueError)]
            where = f"row {row[0]}"
            fatal = next(((place, fault) for place, fault in faults if not isinstance(fault, SkipValueError)), None)
            if fatal:
                skipped.add(reasons.of(*fatal), where=where, what=str(fatal[1]))
                continue
            for place, fault in faults:
                skipped.add_value(reasons.of(place, fault), where=where, what=str(fault))
            rows.append([value.default if isinstance(value, SkipValueError) else value for value in row])
        if rows:
            numbers, *columns = zip(*rows, strict=True)
            yield Values(numbers, columns, complete=True)


class CellReasons:
    """The texts for invalid cells, which name the column and, for the first few of each column, the value."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = [f"column {printable(name, most=_MAX_SHOWN_CHARACTERS)!r}" for name in names]
        self._limited = LimitedReasons()

    def of(self, place: int, fault: ValueError) -> str:
        """Return the text for an invalid cell of the column at a place."""
        column = self._columns[place]
        if isinstance(fault, SkipRowError):
            return self._limited.of(f"{fault.reason} in {column}", _quoted(fault.value))
        return self._limited.of(column, printable(str(fault), most=2 * _MAX_SHOWN_CHARACTERS))


def _quoted(value: object) -> str:
    return repr(printable(str("" if value is None else value), most=_MAX_SHOWN_CHARACTERS))


def _unix_micros(cell: int | None) -> int:
    if cell is None:
        raise ValueError("expected a time, got an empty cell")
    if not 1 <= cell <= MAX_UNIX_MICROS:
        raise ValueError(f"expected a time between 1970 and 2255, got {cell} microseconds after 1970")
    return cell
