"""What rules need of items at once: price, stock, block list and tags, by the newest change of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.digest_index import DigestIndex
from presage_featurizer.ranking.items_counter import CatalogueChange

__all__ = ["NO_STOCK_KNOWN", "LiveColumns", "LiveValues", "PendingChanges"]

Rows = NDArray[np.int64]

NO_STOCK_KNOWN = -1
"""The stock of an item whose stock nobody gave."""

_MIN_ROWS = 1_024
_ROWS_PER_STEP = 500
_ROWS_AT_ONCE = 20_000
_MAX_KNOWN_TAGS = 10_000
_PARTS = 256


class LiveValues(NamedTuple):
    """The live values of some items, in their order."""

    prices: NDArray[np.float64]
    """In units of the shop's currency; 0 if unknown."""
    stock: NDArray[np.int64]
    """NO_STOCK_KNOWN if unknown."""
    blocked: NDArray[np.bool_]
    tags: list[tuple[str, ...]]


class LiveColumns:
    """One row each for the items that columns have, and the newest changes of those that have none yet.

    Shared by the columns of successive epochs. Any thread may read, while one at a time changes.

    Args:
        index: The rows of items.
    """

    def __init__(self, index: DigestIndex) -> None:
        self.index = index
        self.size = 0
        """The rows that have their values; what is known of other items is pending."""
        self.prices = np.zeros(0)
        """The newest price: the catalogue's, or else the one that features see; 0 if unknown."""
        self.is_priced = np.zeros(0, bool)
        """Whether it is the catalogue's."""
        self.stock = np.zeros(0, np.int64)
        self.blocked = np.zeros(0, bool)
        self.tags: list[tuple[str, ...]] = []
        self.pending = PendingChanges()
        """What is known of items that have no values in their row yet, or no row."""
        self._known_tags: dict[tuple[str, ...], tuple[str, ...]] = {}

    def apply(self, change: CatalogueChange, number: int, row: int, known_prices: NDArray[np.float64]) -> None:
        """Apply a change.

        Args:
            change: The newest one of this item.
            number: The number of the item's digest.
            row: The item's; UNKNOWN if it has none.
            known_prices: The prices that features see, for an item whose price the catalogue takes back.
        """
        if not 0 <= row < self.size:
            self.pending.add(number, change)
            return
        if change.price_micros is not None:
            self.is_priced[row] = change.price_micros > 0
            self.prices[row] = change.price_micros / MICROS if change.price_micros else known_prices[row]
        if change.stock is not None:
            self.stock[row] = change.stock
        if change.blocked is not None:
            self.blocked[row] = change.blocked
        if change.tags is not None:
            self.tags[row] = self._shared(change.tags)

    def grow(self, rows: int, index: DigestIndex) -> None:
        """Have room for this number of rows, which ``index`` has; new ones know nothing."""
        for start in range(len(self.tags), rows, _ROWS_AT_ONCE):
            self.tags.extend([()] * (min(start + _ROWS_AT_ONCE, rows) - start))
        more = rows - len(self.stock)
        if more > 0:
            more = max(more, _MIN_ROWS, len(self.stock) // 8)
            self.prices = np.concatenate([self.prices, np.zeros(more)])
            self.is_priced = np.concatenate([self.is_priced, np.zeros(more, bool)])
            self.stock = np.concatenate([self.stock, np.full(more, NO_STOCK_KNOWN)])
            self.blocked = np.concatenate([self.blocked, np.zeros(more, bool)])
        self.index = index

    def take_known_prices(self, rows: Rows, prices: NDArray[np.float64]) -> None:
        """Take over prices that features see from now on, where the catalogue gave none."""
        free = ~self.is_priced[rows]
        self.prices[rows[free]] = prices[free]

    def taking(self, digests: NDArray[np.uint64], known_prices: NDArray[np.float64]) -> Iterator[None]:
        """Give rows their values that were pending, in steps of some rows.

        Args:
            digests: The numbers of all items that have rows.
            known_prices: The prices that features see.
        """
        if not self.pending:
            self.size = len(digests)
        while self.size < len(digests):
            first, end = self.size, min(self.size + _ROWS_PER_STEP, len(digests))
            found = [
                (number, row, change)
                for row, number in enumerate(digests[first:end].tolist(), first)
                if (change := self.pending.get(number)) is not None
            ]
            self.size = end
            for number, row, change in found:
                self.apply(change, number, row, known_prices)
                self.pending.pop(number)  # only now: somebody may be reading
            yield

    def of(self, rows: Rows, digests: Sequence[int] | NDArray[np.uint64], size: int) -> LiveValues:
        """Return the values of items, of which some may have no row: a negative one, or one from ``size`` on."""
        unknown = np.flatnonzero((rows < 0) | (rows >= size))
        if not len(unknown):
            return LiveValues(
                self.prices[rows], self.stock[rows], self.blocked[rows], [self.tags[row] for row in rows.tolist()]
            )
        numbers = np.asarray(digests, np.uint64)
        # In this order: what is pending no more has its values in a row, which may be of an epoch to come.
        pending = [self.pending.get(number) for number in numbers[unknown].tolist()]
        newest = rows.copy()
        newest[unknown] = self.index.rows_of(numbers[unknown])
        known = (newest >= 0) & (newest < self.size)
        safe = newest[known]
        values = LiveValues(
            np.zeros(len(rows)), np.full(len(rows), NO_STOCK_KNOWN), np.zeros(len(rows), bool), [()] * len(rows)
        )
        values.prices[known], values.stock[known], values.blocked[known] = (
            self.prices[safe],
            self.stock[safe],
            self.blocked[safe],
        )
        for place, row in zip(np.flatnonzero(known).tolist(), safe.tolist(), strict=True):
            values.tags[place] = self.tags[row]
        for place, change in zip(unknown.tolist(), pending, strict=True):
            if change is not None:
                values.prices[place] = (change.price_micros or 0) / MICROS
                values.stock[place] = NO_STOCK_KNOWN if change.stock is None else change.stock
                values.blocked[place] = bool(change.blocked)
                values.tags[place] = change.tags or ()
        return values

    def _shared(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        """Return equal tags that other items have, if there are any: most catalogues have few combinations of them."""
        if len(self._known_tags) > _MAX_KNOWN_TAGS:
            self._known_tags.clear()
        return self._known_tags.setdefault(tags, tags)


class PendingChanges:
    """What is known of items that have no row, by the numbers of their digests."""

    def __init__(self) -> None:
        # Many small dicts, since all threads wait for one that grows.
        self._parts: list[dict[int, CatalogueChange]] = [{} for _ in range(_PARTS)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[CatalogueChange]:
        for part in self._parts:
            yield from part.values()

    def get(self, number: int) -> CatalogueChange | None:
        """Return what is known of an item, all changes in one."""
        return self._parts[number % _PARTS].get(number)

    def add(self, number: int, change: CatalogueChange) -> None:
        """Take in a change: what is live of it, since the rest comes with its bucket."""
        before = self.get(number)
        kept = {name: value for name in _LIVE_FIELDS if (value := getattr(change, name)) is not None}
        if before is not None:
            self._parts[number % _PARTS][number] = msgspec.structs.replace(before, **kept)
        elif kept:
            self._parts[number % _PARTS][number] = CatalogueChange(change.item_id, **kept)

    def pop(self, number: int) -> None:
        """Forget an item."""
        part = self._parts[number % _PARTS]
        part.pop(number, None)
        if not part:
            part.clear()  # gives its room back


_LIVE_FIELDS = ("price_micros", "tags", "stock", "blocked")
