"""What rules need of items at once: price, stock, block list and tags, by the newest change of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number

__all__ = ["NO_STOCK_KNOWN", "LiveColumns", "LiveValues"]

Rows = NDArray[np.int64]

NO_STOCK_KNOWN = -1
"""The stock of an item whose stock nobody gave."""

_MIN_ROWS = 1_024


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

    Shared by the columns of successive epochs. All methods are for the thread that ranks.
    """

    def __init__(self) -> None:
        self.prices = np.zeros(0)
        """The newest price: the catalogue's, or else the one that features see; 0 if unknown."""
        self.is_priced = np.zeros(0, bool)
        """Whether it is the catalogue's."""
        self.stock = np.zeros(0, np.int64)
        self.blocked = np.zeros(0, bool)
        self.tags: list[tuple[str, ...]] = []
        self.pending: dict[int, CatalogueChange] = {}
        """By the number of their digest, what is known of items that have no row."""

    def apply(self, change: CatalogueChange, row: int | None, known_price: float) -> None:
        """Apply a change.

        Args:
            change: The newest one of this item.
            row: The item's; None if it has none.
            known_price: The price that features see, for an item whose price the catalogue takes back.
        """
        if row is None:
            number = item_number(change.item_id)
            before = self.pending.get(number)
            self.pending[number] = change if before is None else _merged(before, change)
            return
        if change.price_micros is not None:
            self.is_priced[row] = change.price_micros > 0
            self.prices[row] = change.price_micros / MICROS if change.price_micros else known_price
        if change.stock is not None:
            self.stock[row] = change.stock
        if change.blocked is not None:
            self.blocked[row] = change.blocked
        if change.tags is not None:
            self.tags[row] = change.tags

    def grow(self, rows: int) -> None:
        """Have this number of rows; new ones know nothing."""
        self.tags.extend([()] * (rows - len(self.tags)))
        more = rows - len(self.stock)
        if more <= 0:
            return
        more = max(more, _MIN_ROWS, len(self.stock) // 8)
        self.prices = np.concatenate([self.prices, np.zeros(more)])
        self.is_priced = np.concatenate([self.is_priced, np.zeros(more, bool)])
        self.stock = np.concatenate([self.stock, np.full(more, NO_STOCK_KNOWN)])
        self.blocked = np.concatenate([self.blocked, np.zeros(more, bool)])

    def take_known_prices(self, rows: Rows, prices: NDArray[np.float64]) -> None:
        """Take over prices that features see from now on, where the catalogue gave none."""
        free = ~self.is_priced[rows]
        self.prices[rows[free]] = prices[free]

    def of(self, rows: Rows, digests: Sequence[int] | NDArray[np.uint64], size: int) -> LiveValues:
        """Return the values of items, of which some may have no row: a negative one, or one from ``size`` on."""
        known = (rows >= 0) & (rows < size)
        safe = np.where(known, rows, 0)
        if size:
            prices, stock, blocked = self.prices[safe], self.stock[safe], self.blocked[safe]
            tags = [self.tags[row] for row in safe.tolist()]
        else:
            prices, stock, blocked = np.zeros(len(rows)), np.zeros(len(rows), np.int64), np.zeros(len(rows), bool)
            tags = [()] * len(rows)
        for place in np.flatnonzero(~known).tolist():
            change = self.pending.get(int(digests[place]), _NOTHING)
            prices[place] = (change.price_micros or 0) / MICROS
            stock[place] = NO_STOCK_KNOWN if change.stock is None else change.stock
            blocked[place] = bool(change.blocked)
            tags[place] = change.tags or ()
        return LiveValues(prices, stock, blocked, tags)


_NOTHING = CatalogueChange("")
_FIELDS = CatalogueChange.__struct_fields__


def _merged(before: CatalogueChange, change: CatalogueChange) -> CatalogueChange:
    newer = {name: value for name in _FIELDS if (value := getattr(change, name)) is not None}
    return msgspec.structs.replace(before, **newer)
