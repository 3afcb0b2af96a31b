"""Orders of all items, such as those of a category by popularity, computed once for each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from presage_featurizer.ranking.items import ItemColumns

__all__ = ["Groups", "Summary", "newest_rows"]

Rows = NDArray[np.int64]
"""Row numbers of items."""

_POPULARITY_WEIGHTS = (
    2,
    6,
    10,
    0,
    0,
)  # those of ``habits.EVENT_WEIGHTS``, and nothing for a list in which the item was shown
_POPULARITY_WINDOW = 1
_MAX_NEWEST = 1_000
_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows ordered within groups, such as the items of each category by price."""

    order: Rows
    """All rows, those of one group side by side."""
    starts: Rows
    """Where each group begins, and the end of the last one."""

    @classmethod
    def of(cls, codes: NDArray[np.int64], *keys: NDArray[np.generic]) -> Groups:
        """Group rows by their codes, from 0, in ascending order of the keys, the first one most significant."""
        return cls.in_order(codes, np.lexsort(tuple(reversed(keys))))

    @classmethod
    def in_order(cls, codes: NDArray[np.int64], order: Rows) -> Groups:
        """Group rows by their codes, from 0, and keep the order of all rows within each group."""
        order = order[np.argsort(codes[order], kind="stable")]
        starts = np.searchsorted(codes[order], np.arange(int(codes.max(initial=-1)) + 2))
        return cls(order, starts)

    def __getitem__(self, code: int) -> Rows:
        """Return the rows of a group; none for a code that no row has."""
        if not 0 <= code < len(self.starts) - 1:
            return self.order[:0]
        return self.order[self.starts[code] : self.starts[code + 1]]


@dataclass(frozen=True, slots=True)
class Summary:
    """Orders of all items, and the rates of categories."""

    popular: Rows
    """All items: the most popular first, by the events of the last 7 days and their weights; then those without, newest first."""
    places: NDArray[np.int32]
    """By row: the item's place in that order."""
    newest: Rows
    """The 1,000 items that were first seen last, the newest first."""
    by_category: Groups
    """The items of each category, the most popular first, then by digest."""
    by_brand: Groups
    """The items of each brand, in the same order."""
    category_counts: NDArray[np.int64]
    """Events of all time by type and category, as the prior of an item's rates."""

    @classmethod
    def of(cls, items: ItemColumns) -> Summary:
        size = len(items)
        popularity = np.array(_POPULARITY_WEIGHTS) @ items.sums[_POPULARITY_WINDOW, :, :size]
        digests, seen = items.digests[:size], items.first_seen_unix_micros[:size]
        categories, brands = items.categories[:size], items.brands[:size]
        order = np.lexsort((digests, -popularity))
        count = int(np.count_nonzero(popularity > 0))
        others = order[count:]
        popular = np.concatenate([order[:count], others[np.argsort(-seen[others], kind="stable")]])
        places = np.empty(size, np.int32)
        places[popular] = np.arange(size, dtype=np.int32)
        return cls(
            popular,
            places,
            newest_rows(np.arange(size), seen, digests, _MAX_NEWEST),
            Groups.in_order(categories, order),
            Groups.in_order(brands, order),
            _sums_by(categories, items.sums[-1, :, :size]),
        )


def newest_rows(rows: Rows, seen: NDArray[np.int64], digests: NDArray[np.uint64], count: int) -> Rows:
    """Return the rows of the items that were first seen last, the newest first, then by digest.

    Args:
        rows: Those of the items to choose from.
        seen: By row: when each item was first seen.
        digests: By row: the numbers of the digests.
        count: How many are wanted at most.
    """
    times = seen[rows]
    if len(rows) > count:  # sorting all would take ten times as long
        rows = rows[times >= np.partition(times, -count)[-count]]
        times = seen[rows]
    return rows[np.lexsort((digests[rows], -times))[:count]]


def _sums_by(categories: Rows, counts: NDArray[np.int32]) -> Rows:
    """Add up counts by category, some rows at once: another thread may wait for each piece."""
    sums = np.zeros((len(counts), int(categories.max(initial=0)) + 1), np.int64)
    for start in range(0, len(categories), _ROWS_AT_ONCE):
        piece = slice(start, start + _ROWS_AT_ONCE)
        for place, of_type in enumerate(counts[:, piece]):
            sums[place] += np.bincount(categories[piece], of_type, sums.shape[1]).astype(np.int64)
    return sums
