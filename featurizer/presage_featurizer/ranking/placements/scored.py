"""What the rules work on: scored candidates, what is known of items now, and the list that comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items import Summary

__all__ = ["Arranged", "Flags", "Floats", "Rows", "RuleColumns", "Scored", "end_of_epoch", "known_values"]

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class RuleColumns(Protocol):
    """What the rules read of ``ItemColumns``. Columns may be longer than there are items."""

    @property
    def bucket_micros(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def digests(self) -> NDArray[np.uint64]: ...
    @property
    def categories(self) -> Rows: ...
    @property
    def brands(self) -> Rows: ...
    @property
    def live_prices(self) -> Floats: ...
    @property
    def stock(self) -> Rows: ...
    @property
    def blocked(self) -> Flags: ...
    @property
    def first_seen_unix_micros(self) -> Rows: ...
    @property
    def sums(self) -> Rows: ...
    @property
    def summary(self) -> Summary: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates with their scores, in any order, each once."""

    rows: Rows
    """Rows of the columns; from ``len(items)`` on for items that these do not have."""
    digests: NDArray[np.uint64]
    """The numbers of the items' digests: where scores tie, the lower one comes first."""
    scores: Floats
    """Higher is better. Only their order counts."""
    sources: NDArray[np.uint8]
    """Places in SOURCES; the rules do not read them."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Arranged:
    """The list to show."""

    places: Rows
    """Places in ``Scored``, in the order of the list, each once."""
    propensities: Floats
    """The probability with which each item gets its place, more than 0 and at most 1; see ``place_probabilities``."""
    rules: tuple[tuple[str, ...], ...]
    """The rules that moved each item, by the names of their keys; not those that moved others past it."""


def known_values(column: NDArray[np.generic], rows: Rows, size: int, unknown: float) -> NDArray[np.generic]:
    """Take values of a column; ``unknown`` for rows of ``size`` and more, which are items that the columns do not have."""
    if not size:
        return np.full(len(rows), unknown, column.dtype)
    inside = rows < size
    if inside.all():
        return column[rows]
    return np.where(inside, column[np.where(inside, rows, 0)], np.asarray(unknown, column.dtype))


def end_of_epoch(items: RuleColumns) -> int:
    """Return the moment that ages are counted to, in microseconds since 1970: the end of the newest closed bucket."""
    return (items.epoch + 1) * items.bucket_micros
