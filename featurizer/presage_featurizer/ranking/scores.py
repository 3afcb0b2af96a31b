"""How near items are to a visitor's, by the tables of neighbours."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.tables import Neighbours, RankingTables
from presage_featurizer.state import MAX_SESSION_ITEMS

__all__ = ["SourceScores", "TableName", "Workspace"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
TableName = Literal["viewed_together", "followed_by", "liked_together", "similar_sessions"]

# What an item of the session weighs, the newest first; multiplied, since powers differ between machines.
_SESSION_WEIGHTS = np.multiply.accumulate(np.array([1.0, *[0.8] * (MAX_SESSION_ITEMS - 1)]))
_FOLLOWED_ITEMS = 5
_SIMILAR_SESSIONS = 100
_SESSIONS_PER_ITEM = 200
_MAX_SCORE = 20.0
"""Interest in an item above this says no more."""


class Workspace:
    """Memory for sums over items, reused from one call to the next; one for each thread."""

    def __init__(self) -> None:
        self._sums: Floats = np.zeros(0)
        self._places: Rows = np.zeros(0, np.int64)

    def sum(self, rows: Rows, weights: Floats, size: int) -> tuple[Rows, Floats]:
        """Sum weights by row; return each row once, in ascending order, with its sum."""
        if len(self._sums) < size:
            self._sums = np.zeros(size)
        np.add.at(self._sums, rows, weights)
        found = np.unique(rows)
        sums = self._sums[found]
        self._sums[found] = 0.0
        return found, np.asarray(sums, np.float64)

    def places(self, wanted: Rows, among: Rows, size: int) -> Rows:
        """Return where each wanted row is among others, or UNKNOWN."""
        if len(self._places) < size:
            self._places = np.full(size, UNKNOWN, np.int64)
        self._places[among] = np.arange(len(among))
        found = self._places[wanted]
        self._places[among] = UNKNOWN
        return found


class SourceScores:
    """How near items are to a visitor's, by each table.

    Args:
        interests: The visitor's items.
        tables: Bound to the columns.
        size: How many items the columns have.
        workspace: Of the calling thread.
    """

    def __init__(self, interests: Interests, tables: RankingTables, size: int, workspace: Workspace) -> None:
        self._tables = tables
        self._workspace = workspace
        self._size = size
        context, weights = _context(interests)
        near, likes = context[:_FOLLOWED_ITEMS], np.minimum(interests.scores, _MAX_SCORE) / _MAX_SCORE
        self.viewed_together = self._spread(tables.viewed_together, context, weights)
        self.followed_by = self._spread(tables.followed_by, near, weights[:_FOLLOWED_ITEMS])
        self.liked_together = self._spread(tables.liked_together, interests.history, likes)
        self.similar_sessions = self._similar_sessions(near, weights[:_FOLLOWED_ITEMS])

    def found_by(self, name: TableName) -> tuple[Rows, Floats]:
        """Return the items that a table finds, each once, with their scores."""
        found: tuple[Rows, Floats] = getattr(self, name)
        return found

    def of(self, name: TableName, rows: Rows) -> Floats:
        """Return the scores of some items by one table; 0 for those that it does not find."""
        found, scores = self.found_by(name)
        places = self._workspace.places(rows, found, self._size)
        return np.where(places == UNKNOWN, 0.0, np.append(scores, 0.0)[places])

    def _spread(self, table: Neighbours, rows: Rows, weights: Floats) -> tuple[Rows, Floats]:
        table_rows = self._tables.table_rows_of[rows]
        known = table_rows != UNKNOWN
        near = table.rows[table_rows[known]]
        amounts = (table.weights[table_rows[known]] * weights[known, None]).ravel()
        return self._sum(near.ravel(), amounts.astype(np.float64))

    def _sum(self, table_rows: NDArray[np.int32], amounts: Floats) -> tuple[Rows, Floats]:
        rows = (
            np.where(table_rows == UNKNOWN, UNKNOWN, self._tables.columns_of[table_rows])
            if len(self._tables.columns_of)
            else table_rows.astype(np.int64)
        )
        known = rows != UNKNOWN
        return self._workspace.sum(rows[known], amounts[known], self._size)

    def _similar_sessions(self, rows: Rows, weights: Floats) -> tuple[Rows, Floats]:
        """Score the items of the sessions that share most with this one.

        Source: "vector multiplication session-based kNN", Ludewig and Jannach, 2018.
        """
        sessions = self._tables.sessions
        table_rows = self._tables.table_rows_of[rows]
        known = table_rows != UNKNOWN
        found, shares = [np.zeros(0, np.int32)], [np.zeros(0)]
        for row, weight in zip(table_rows[known], weights[known], strict=True):
            begin = sessions.item_starts[row]
            of_item = sessions.of_items[begin : min(begin + _SESSIONS_PER_ITEM, sessions.item_starts[row + 1])]
            found.append(of_item)
            shares.append(np.full(len(of_item), weight))
        numbers, inverse = np.unique(np.concatenate(found), return_inverse=True)
        similarity = np.bincount(inverse, np.concatenate(shares), len(numbers))
        best = np.lexsort((-numbers, -similarity))[:_SIMILAR_SESSIONS]
        numbers, similarity = numbers[best], similarity[best]
        sizes = sessions.starts[numbers + 1] - sessions.starts[numbers]
        places = np.repeat(sessions.starts[numbers] - np.append(0, np.cumsum(sizes)[:-1]), sizes) + np.arange(
            sizes.sum()
        )
        return self._sum(sessions.items[places], np.repeat(similarity, sizes))


def _context(interests: Interests) -> tuple[Rows, Floats]:
    """Return the items that say what the visitor wants now: the session's, or else those bought last."""
    if len(interests.session):
        return interests.session, _SESSION_WEIGHTS[: len(interests.session)]
    basket = interests.last_basket
    return basket, np.ones(len(basket))
