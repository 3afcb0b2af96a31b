"""The items of a category in order, by popularity and by price; sorted when first asked for, and again after a change."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items_summary import Groups

__all__ = ["CategoryOrders"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_MAX_POPULAR = 60


@dataclass(frozen=True, slots=True)
class _Members:
    by_price: Rows
    """Items of the category, the cheapest first."""
    prices: Floats
    brands: Rows
    low_price: float


class CategoryOrders:
    """Sorts the items of a category when it is asked for them; the unknown category has none.

    Args:
        popularity: By row.
        prices: By row; 0 if unknown.
        digests: By row: the last key where others tie.
    """

    def __init__(self, popularity: Rows, prices: Floats, digests: NDArray[np.uint64]) -> None:
        self._popularity = popularity
        self._prices = prices
        self._digests = digests
        self._codes: Rows = np.zeros((0, 3), np.int64)
        self._members: dict[int, _Members] = {}
        self._popular: dict[int, dict[int, Rows]] = {}
        """By category, then by the brand's code, or 0 for all."""
        self._by_price: Groups | None = None
        self._by_popularity: Groups | None = None
        """Orders of all categories, where somebody had the time to make them."""

    def copy(self) -> CategoryOrders:
        """Return orders that change independently; this may be read by another thread meanwhile."""
        other = copy(self)
        other._members = self._members.copy()  # noqa: SLF001 - its own class
        other._popular = {category: known.copy() for category, known in self._popular.copy().items()}  # noqa: SLF001
        return other

    def prepare(self, by_popularity: Groups) -> None:
        """Sort all categories now, so that little is left to do for those who ask.

        Args:
            by_popularity: All items of each category, the most popular first.
        """
        self._by_popularity = by_popularity
        if self._by_price is None:
            size = len(self._codes)
            self._by_price = Groups.of(self._codes[:, 0] // 3, self._prices[:size], self._digests[:size])

    def read(self, popularity: Rows, prices: Floats, digests: NDArray[np.uint64], codes: Rows) -> None:
        """Sort these columns from now on; ``codes`` are those of ``ItemFeatures``."""
        self._popularity, self._prices, self._digests, self._codes = popularity, prices, digests, codes

    def forget(self, touched: Rows, moved: Rows) -> None:
        """Sort categories again: those with other popularities, and those with other items, brands or prices."""
        if len(touched):
            self._by_popularity = None
        if len(moved):
            self._by_price = None
        for category in np.unique(touched).tolist():
            self._popular.pop(category, None)
        for category in np.unique(moved).tolist():
            self._members.pop(category, None)

    def popular(self, category: int, brand: int = 0) -> Rows:
        """Return the 60 most popular items of a category, or of its items of one brand, best first."""
        if not category:
            return self._popularity[:0]
        known = self._popular.setdefault(category, {})
        if brand not in known and not brand and self._by_popularity is not None:
            known[brand] = self._by_popularity[category][:_MAX_POPULAR]
        if brand not in known:
            members = self._in(category)
            rows = members.by_price
            if brand:
                rows = rows[members.brands == brand]
            popularity = self._popularity[rows]
            if len(rows) > _MAX_POPULAR:
                rows = rows[popularity >= np.partition(popularity, -_MAX_POPULAR)[-_MAX_POPULAR]]
                popularity = self._popularity[rows]
            known[brand] = rows[np.lexsort((self._digests[rows], -popularity))[:_MAX_POPULAR]]
        return known[brand]

    def near_price(self, category: int, price: float, each_way: int) -> Rows:
        """Return the items of a category with the next lower and higher prices, the nearest prices of either side."""
        if not category:
            return self._popularity[:0]
        members = self._in(category)
        place = int(np.searchsorted(members.prices, price))
        return members.by_price[max(0, place - each_way) : place + each_way]

    def low_price(self, category: int) -> float:
        """Return the price that the cheapest quarter of the category's items with a price does not exceed; 0 if there are none."""
        return self._in(category).low_price

    def _in(self, category: int) -> _Members:
        found = self._members.get(category)
        if found is None:
            if self._by_price is None:
                rows = np.flatnonzero(self._codes[:, 0] == 3 * category)
                rows = rows[np.lexsort((self._digests[rows], self._prices[rows]))]
            else:
                rows = self._by_price[category]
            prices = self._prices[rows]
            priced = prices[np.searchsorted(prices, 0.0, side="right") :]
            low_price = float(priced[len(priced) // 4]) if len(priced) else 0.0
            found = self._members[category] = _Members(rows, prices, self._codes[rows, 1] // 3, low_price)
        return found
