"""Orders of all items, such as those of a category by popularity, computed once for each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from presage_featurizer.ranking.items import ItemColumns

__all__ = ["Groups", "Summary"]

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
_MAX_POPULAR = 200
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
        order = np.lexsort((*reversed(keys), codes))
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
    """The most popular items, best first, by the events of the last 7 days and their weights."""
    by_category: Groups
    """The items of each category, the most popular first."""
    category_counts: NDArray[np.int64]
    """Events of all time by type and category, as the prior of an item's rates."""

    @classmethod
    def of(cls, items: ItemColumns) -> Summary:
        size = len(items)
        popularity = np.array(_POPULARITY_WEIGHTS) @ items.sums[_POPULARITY_WINDOW, :, :size]
        digests, categories = items.digests[:size], items.categories[:size]
        least = 1
        if size > _MAX_POPULAR:  # sorting all would take ten times as long
            least = max(least, int(np.partition(popularity, -_MAX_POPULAR)[-_MAX_POPULAR]))
        best = np.flatnonzero(popularity >= least)
        best = best[np.lexsort((digests[best], -popularity[best]))[:_MAX_POPULAR]]
        return cls(best, Groups.of(categories, -popularity, digests), _sums_by(categories, items.sums[-1, :, :size]))


def _sums_by(categories: Rows, counts: NDArray[np.int32]) -> Rows:
    """Add up counts by category, some rows at once: another thread may wait for each piece."""
    sums = np.zeros((len(counts), int(categories.max(initial=0)) + 1), np.int64)
    for start in range(0, len(categories), _ROWS_AT_ONCE):
        piece = slice(start, start + _ROWS_AT_ONCE)
        for place, of_type in enumerate(counts[:, piece]):
            sums[place] += np.bincount(categories[piece], of_type, sums.shape[1]).astype(np.int64)
    return sums
