"""Fields that are made from several columns, or from a part of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from presage_training.readers.files.cells import id_text
from presage_training.readers.files.tables import Batch

__all__ = ["DerivedColumns", "Split"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A column that holds several values."""

    column: str
    into: tuple[str, ...]
    """The names of the parts."""
    separator: str = ""
    """The text between them; the last part keeps any further ones."""
    pattern: str = ""
    """Instead of a separator: a regular expression for the whole cell, with a group for each part."""

    def parts(self, cell: Any) -> Sequence[str]:
        """Return a part for each of ``into``, empty where the cell has fewer or does not match."""
        text = id_text(cell)
        if self.pattern:
            match = re.fullmatch(self.pattern, text)
            return [part or "" for part in match.groups()] if match else [""] * len(self.into)
        parts = text.split(self.separator, len(self.into) - 1)
        return [part.strip() for part in parts] + [""] * (len(self.into) - len(parts))


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivedColumns:
    """Makes the column of each field from the columns of a log."""

    fields: Mapping[str, str | tuple[str, ...]]
    """The column or part of each field. Several are joined for ``joined``; of others the first that is not empty counts."""
    splits: Sequence[Split] = ()
    missing: frozenset[str] = frozenset()
    """Cells that count as empty."""
    joined: frozenset[str] = frozenset({"event_time"})
    needed: Sequence[str] = field(init=False)
    """The columns of the log that are read; one may be there twice."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "needed", self._needed())

    def _needed(self) -> list[str]:
        if self._is_plain():
            return [source for source in self.fields.values() if isinstance(source, str)]
        split_columns = {part: split.column for split in self.splits for part in split.into}
        names = [name for source in self.fields.values() for name in _names(source)]
        return list(dict.fromkeys(split_columns.get(name, name) for name in names))

    def _is_plain(self) -> bool:
        return not self.splits and not self.missing and all(isinstance(source, str) for source in self.fields.values())

    def derive(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Turn batches of the columns of ``needed`` into batches with a column for each field."""
        if self._is_plain():
            yield from batches
            return
        for batch in batches:
            yield self._derived(batch)

    def _derived(self, batch: Batch) -> Batch:
        cells = dict(zip(self.needed, map(self._without_missing, batch.columns), strict=True))
        instants = {self.needed[place] for place in batch.instants}
        for split in self.splits:
            if split.column in cells:
                distinct = {cell: split.parts(cell) for cell in set(cells[split.column])}
                for place, part in enumerate(split.into):
                    cells[part] = [distinct[cell][place] for cell in cells[split.column]]
        columns, places = [], []
        for place, (name, source) in enumerate(self.fields.items()):
            if isinstance(source, str):
                columns.append(cells[source])
                if source in instants:
                    places.append(place)
            else:
                combine: Callable[[tuple[Any, ...]], Any] = _joined if name in self.joined else _first
                columns.append(list(map(combine, zip(*(cells[column] for column in source), strict=True))))
        return Batch(batch.numbers, columns, frozenset(places))

    def _without_missing(self, cells: Sequence[Any]) -> Sequence[Any]:
        if not self.missing:
            return cells
        missing = self.missing
        return ["" if isinstance(cell, str) and cell.strip() in missing else cell for cell in cells]


def _names(source: str | tuple[str, ...]) -> tuple[str, ...]:
    return (source,) if isinstance(source, str) else source


def _first(cells: tuple[Any, ...]) -> Any:
    return next((cell for cell in cells if cell is not None and cell == cell and cell != ""), "")  # noqa: PLR0124 - NaN is missing


def _joined(cells: tuple[Any, ...]) -> str:
    return " ".join(filter(None, map(_written, cells)))


def _written(cell: Any) -> str:
    """Write a part of a time: spreadsheets have dates that are midnights, and times on a day long ago."""
    if isinstance(cell, datetime):
        if cell.year < 1901:
            return cell.time().isoformat()
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
    return id_text(cell)
