"""The most popular items of each country, sorted when they are first asked for after its counts changed."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES
from presage_featurizer.ranking.items_summary import best_rows
from presage_featurizer.ranking.items_windows import HourCounts

__all__ = ["PopularByCountry"]

Rows = NDArray[np.int64]

_KINDS = len(COUNTRY_TYPES)
_NO_ROWS: Rows = np.zeros(0, np.int64)


class PopularByCountry:
    """Sorts the items of a country by their events in 7 days.

    Args:
        weights: What an event of each of COUNTRY_TYPES counts, at least 1.
        most: How many items of a country are kept.
    """

    def __init__(self, weights: Rows, most: int) -> None:
        self._weights = weights
        self._most = most
        self._sums: dict[str, HourCounts] = {}
        self._digests: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._known: dict[str, tuple[HourCounts, Rows]] = {}
        """By country: the order, and the counts that it was made of."""

    def copy(self) -> PopularByCountry:
        """Return orders that change independently; this may be read by another thread meanwhile."""
        other = copy(self)
        other._known = self._known.copy()  # noqa: SLF001 - its own class
        return other

    def read(self, sums: Mapping[str, HourCounts], digests: NDArray[np.uint64]) -> None:
        """Sort these counts from now on; equal ones in the order of the digests, which are by row."""
        self._sums, self._digests = dict(sums), digests
        self._known = {country: known for country, known in self._known.items() if country in self._sums}

    def prepare(self) -> None:
        """Sort all countries now, so that nothing is left to do for those who ask."""
        for country in self._sums:
            self.of(country)

    def of(self, country: str) -> Rows:
        """Return the most popular items of a country, best first; none for one without counts."""
        sums = self._sums.get(country)
        if sums is None:
            return _NO_ROWS
        known = self._known.get(country)
        if known is None or known[0] is not sums:
            known = self._known[country] = (sums, self._sort(sums))
        return known[1]

    def _sort(self, sums: HourCounts) -> Rows:
        rows, kinds = np.divmod(sums.keys, _KINDS)
        firsts = np.flatnonzero(np.diff(rows, prepend=-1))
        popularity = np.add.reduceat(self._weights[kinds] * sums.amounts, firsts)
        return best_rows(rows[firsts], popularity, self._digests, self._most)
