"""Tables of which items go together, made by training from a log and read-only here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.item_features import MAX_COLD
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
    """The table row of each column row; UNKNOWN for newer items, and for rows beyond the columns, of which there is room."""
    bound_items: int = 0
    """How many column rows the translations know."""
    by_digest: NDArray[np.int64] | None = None
    """The order of the digests; None as long as the tables are not bound."""
    padded_repeat_rates: NDArray[np.float32] = field(default_factory=lambda: np.full(1, -1.0, np.float32))
    """The repeat rates, and -1 at UNKNOWN."""

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

        # As plain arrays: each slice of a memory-mapped one takes microseconds more.
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
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

    @property
    def neighbours(self) -> Mapping[str, Neighbours]:
        """The tables of neighbours by name."""
        return {
            "viewed_together": self.viewed_together,
            "followed_by": self.followed_by,
            "liked_together": self.liked_together,
        }

    def bound(self, items: ItemColumns) -> RankingTables:
        """Return the tables with the translations to and from the rows of columns that may have grown since.

        Rows of items never change, so tables that were bound to the same columns before only look for the new items.
        """
        order = np.argsort(self.digests, kind="stable") if self.by_digest is None else self.by_digest
        before = self.bound_items
        room = self.table_rows_of
        if len(items) + MAX_COLD >= len(room):
            room = np.append(room, np.full(len(items) + MAX_COLD + 1 + len(items) // 4 - len(room), UNKNOWN))
        columns_of = np.full(len(self.digests), UNKNOWN, np.int64) if before == 0 else self.columns_of
        if len(self.digests) and len(items) > before:
            new = items.digests[before : len(items)]
            found = order[np.minimum(np.searchsorted(self.digests, new, sorter=order), len(order) - 1)]
            known = np.flatnonzero(self.digests[found] == new)
            room, columns_of = room.copy(), columns_of.copy()
            room[before + known] = found[known]
            columns_of[found[known]] = before + known
        return replace(
            self,
            columns_of=columns_of,
            table_rows_of=room,
            bound_items=len(items),
            by_digest=order,
            padded_repeat_rates=np.append(self.repeat_rates, np.float32(-1.0)),
        )
