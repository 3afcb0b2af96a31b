"""The most popular items of each country, sorted when they are first asked for after an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES
from presage_featurizer.ranking.items_windows import HourCounts

__all__ = ["PopularByCountry"]

Rows = NDArray[np.int64]

_KINDS = len(COUNTRY_TYPES)
_NO_ROWS: Rows = np.zeros(0, np.int64)


class PopularByCountry:
    """Sorts the items of a country by their events there in 7 days.

    Most items of a small country have one event or none, so ties are many: they go by the events of all countries, then by digest.

    Args:
        weights: What an event of each of COUNTRY_TYPES counts, at least 1.
        most: How many items of a country are returned at most.
    """

    def __init__(self, weights: Rows, most: int) -> None:
        self._weights = weights
        self._most = most
        self._sums: dict[str, HourCounts] = {}
        self._popularity: Rows = _NO_ROWS
        self._digests: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._orders: dict[str, Rows] = {}

    def copy(self) -> PopularByCountry:
        """Return orders that ``read`` changes independently."""
        return copy(self)

    def read(self, sums: Mapping[str, HourCounts], popularity: Rows, digests: NDArray[np.uint64]) -> None:
        """Sort these counts from now on.

        Args:
            sums: By country.
            popularity: By row: the weighted events of all countries.
            digests: By row: the numbers of the digests.
        """
        self._sums, self._popularity, self._digests, self._orders = dict(sums), popularity, digests, {}

    def prepare(self) -> None:
        """Sort all countries now, so that nothing is left to do for those who ask."""
        for country in self._sums:
            self.of(country)

    def of(self, country: str) -> Rows:
        """Return the most popular items of a country, best first; none for one without counts."""
        order = self._orders.get(country)
        if order is None:
            sums = self._sums.get(country)
            if sums is None:
                return _NO_ROWS
            order = self._orders[country] = self._sort(sums)
        return order

    def _sort(self, sums: HourCounts) -> Rows:
        rows, kinds = np.divmod(sums.keys, _KINDS)
        firsts = np.flatnonzero(np.diff(rows, prepend=-1))
        own, rows = np.add.reduceat(self._weights[kinds] * sums.amounts, firsts), rows[firsts]
        if len(rows) > self._most:  # sorting all would take longer
            kept = np.flatnonzero(own >= np.partition(own, -self._most)[-self._most])
            own, rows = own[kept], rows[kept]
        return rows[np.lexsort((self._digests[rows], -self._popularity[rows], -own))[: self._most]]
