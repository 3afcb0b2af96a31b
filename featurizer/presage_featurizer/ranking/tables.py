"""Tables of which items go together, made by training from a log and read-only here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.items import UNKNOWN, ItemColumns

__all__ = ["Neighbours", "RankingTables", "Sessions"]

Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest items of each item, at 8 bytes each."""

    rows: Rows
    """Shape (items, neighbours): table rows, the nearest first; UNKNOWN where an item has fewer."""
    weights: NDArray[np.float32]
    """Shape (items, neighbours): how near; 0 where an item has fewer."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """The items of recent sessions, and the sessions of each item."""

    starts: NDArray[np.int32]
    """Shape (sessions + 1,): where each session's items begin."""
    items: Rows
    """Table rows of the items of one session after the other, each once; the newest session last."""
    item_starts: NDArray[np.int32]
    """Shape (items + 1,): where each item's sessions begin."""
    of_items: NDArray[np.int32]
    """Sessions of one item after the other, the newest first."""


@dataclass(frozen=True, slots=True)
class RankingTables:
    """All tables of a model. Table rows are not column rows: ``bound`` translates them."""

    digests: NDArray[np.uint64]
    """Shape (items,): the numbers of the items' digests."""
    viewed_together: Neighbours
    """Items of the same session."""
    followed_by: Neighbours
    """Items of the visitor's next event."""
    liked_together: Neighbours
    """Items of the same visitors."""
    sessions: Sessions
    repeat_rates: NDArray[np.float32]
    """Shape (items,): the smoothed share of an item's buyers' orders with it that were not their first."""
    columns_of: NDArray[np.int64]
    """Shape (items,): the column row of each table row; UNKNOWN if the item is not known any more."""
    table_rows_of: NDArray[np.int64]
    """Shape (column rows,): the table row of each column row; UNKNOWN for newer items."""

    ARRAYS = (
        "digests",
        *(
            f"{table}.{part}"
            for table in ("viewed_together", "followed_by", "liked_together")
            for part in ("rows", "weights")
        ),
        *(f"sessions.{part}" for part in ("starts", "items", "item_starts", "of_items")),
        "repeat_rates",
    )
    """The names of the arrays that are stored."""

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Rebuild tables from stored arrays, as ``arrays`` returns them; not yet bound to columns."""

        def neighbours(name: str) -> Neighbours:
            return Neighbours(
                arrays[f"{name}.rows"].astype(np.int32, copy=False),
                arrays[f"{name}.weights"].astype(np.float32, copy=False),
            )

        nothing = np.zeros(0, np.int64)
        return cls(
            arrays["digests"].astype(np.uint64, copy=False),
            neighbours("viewed_together"),
            neighbours("followed_by"),
            neighbours("liked_together"),
            Sessions(
                *[
                    arrays[f"sessions.{part}"].astype(np.int32, copy=False)
                    for part in ("starts", "items", "item_starts", "of_items")
                ]
            ),
            arrays["repeat_rates"].astype(np.float32, copy=False),
            nothing,
            nothing,
        )

    def bound(self, items: ItemColumns) -> RankingTables:
        """Return the tables with the translations to and from the rows of columns that may have grown since."""
        columns_of = items.rows_of(self.digests.tolist())
        table_rows_of = np.full(len(items), UNKNOWN, np.int64)
        known = np.flatnonzero(columns_of != UNKNOWN)
        table_rows_of[columns_of[known]] = known
        return RankingTables(
            self.digests,
            self.viewed_together,
            self.followed_by,
            self.liked_together,
            self.sessions,
            self.repeat_rates,
            columns_of,
            table_rows_of,
        )
