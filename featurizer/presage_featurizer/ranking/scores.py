"""How near items are to a visitor's, by the tables of neighbours."""

from __future__ import annotations

from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.similar_sessions import MAX_LAST_ITEMS, items_of_similar_sessions
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_featurizer.state import MAX_SESSION_ITEMS

__all__ = ["SESSION_WEIGHTS", "TABLES", "SourceScores", "TableName", "Workspace"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
TableName = Literal["viewed_together", "followed_by", "liked_together", "similar_sessions"]

TABLES: tuple[TableName, ...] = ("viewed_together", "followed_by", "liked_together", "similar_sessions")

SESSION_WEIGHTS: Floats = np.multiply.accumulate(np.array([1.0, *[0.8] * (MAX_SESSION_ITEMS - 1)]))
"""What an item of the session weighs, the newest first; multiplied, since powers differ between machines."""
_MAX_SCORE = 20.0
"""Interest in an item above this says no more."""

_FEW = 8
"""So many numbers are compared with others faster than these are sorted."""


class SourceScores:
    """How near items are to a visitor's, by each table.

    Sums are made in the order of the visitor's items, whichever items are asked for, so that neither other candidates nor their
    order can change a bit of them.

    Args:
        interests: The visitor's items.
        tables: Bound to the columns.
        workspace: Of the calling thread, with room for all rows.
    """

    def __init__(self, interests: Interests, tables: RankingTables, workspace: Workspace) -> None:
        self._interests = interests
        self._tables = tables
        self._workspace = workspace
        context, self._weights = _context(interests)
        self._context = tables.table_rows_of.take(context)
        self._known: dict[TableName, _Near] = {}
        self._known_totals: dict[TableName, Floats] = {}

    def of(self, rows: Rows) -> Floats:
        """Return the scores of some items, each once, by each of TABLES; 0 for those that a table does not find.

        Returns:
            Shape (len(TABLES), len(rows)).
        """
        near = [self._near(name) for name in TABLES]
        found = np.concatenate([of_table.rows for of_table in near])
        table_rows = self._tables.table_rows_of.take(rows)
        slots = self._workspace.begin_slots(table_rows).take(found)
        self._workspace.end_slots(table_rows)
        hits = slots.nonzero()[0]  # few: most of what the tables find was not asked for
        slots = slots.take(hits)
        width = len(rows) + 1  # slots begin with 1
        sums = np.zeros(len(near) * width)
        begin = first = 0
        ends = list(accumulate([len(of_table.rows) for of_table in near]))
        for place, (end, last) in enumerate(zip(ends, hits.searchsorted(ends).tolist(), strict=True)):
            if first < last:
                amounts = near[place].amounts_at(hits[first:last] - begin)
                sums[place * width : (place + 1) * width] = np.bincount(slots[first:last], amounts, width)
            begin, first = end, last
        return sums.reshape(len(near), width)[:, 1:]

    def ranks(self, name: TableName, scores: Floats) -> Floats:
        """Return how many items a table finds that are nearer than items with these scores."""
        totals = self._totals(name)
        if len(scores) <= _FEW:
            return np.array([np.count_nonzero(totals > score) for score in scores.tolist()], np.float64)
        totals = np.sort(totals)
        return np.asarray(len(totals) - np.searchsorted(totals, scores, side="right"), np.float64)

    def found_by(self, name: TableName) -> tuple[Rows, Floats]:
        """Return the items that a table finds, each once, with their scores."""
        totals = self._totals(name)
        found = np.flatnonzero(totals > 0.0)
        rows = self._tables.columns_of.take(self._near(name).rows.take(found))
        known = rows != UNKNOWN
        return rows[known], totals[found[known]]

    def _totals(self, name: TableName) -> Floats:
        """Return the scores of what a table finds, one for each item, and 0 where an item comes again."""
        totals = self._known_totals.get(name)
        if totals is None:
            near = self._near(name)
            totals = self._known_totals[name] = self._workspace.totals(near.rows, near.amounts())
        return totals

    def _near(self, name: TableName) -> _Near:
        """Return what a table finds."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._find(name)
        return known

    def _find(self, name: TableName) -> _Near:
        tables = self._tables
        if name == "similar_sessions":
            last = self._context[:MAX_LAST_ITEMS]
            has_session = len(self._interests.session) > 0
            return _Near(*items_of_similar_sessions(tables.sessions, last, self._workspace, fade=has_session), None)
        if name == "liked_together":
            rows = tables.table_rows_of.take(self._interests.history)
            rows, weights = _known(rows, np.minimum(self._interests.scores, _MAX_SCORE) / _MAX_SCORE)
        elif name == "viewed_together":
            rows, weights = _known(self._context, self._weights)
        else:
            rows, weights = _known(self._context[:MAX_LAST_ITEMS], self._weights[:MAX_LAST_ITEMS])
        table = tables.neighbours[name]
        return _Near(table.rows.take(rows, axis=0).ravel(), weights, table.weights.take(rows, axis=0))


class _Near(NamedTuple):
    """What a table finds."""

    rows: NDArray[np.int32]
    """Table rows, repeats included."""
    weights: Floats
    """What each of the visitor's items weighs; without neighbours, what each row adds to its score."""
    neighbours: NDArray[np.float32] | None
    """Shape (the visitor's items, neighbours of each): how near each row is."""

    def amounts(self) -> Floats:
        """Return what each row adds to its score."""
        if self.neighbours is None:
            return self.weights
        amounts: Floats = (self.neighbours * self.weights[:, None]).ravel()
        return amounts

    def amounts_at(self, places: Rows) -> Floats:
        """Return what some of the rows add to their scores."""
        if self.neighbours is None:
            return self.weights.take(places)
        amounts: Floats = self.neighbours.take(places) * self.weights.take(places // self.neighbours.shape[1])
        return amounts


def _known(rows: Rows, weights: Floats) -> tuple[Rows, Floats]:
    known = np.flatnonzero(rows != UNKNOWN)
    return (rows, weights) if len(known) == len(rows) else (rows.take(known), weights.take(known))


def _context(interests: Interests) -> tuple[Rows, Floats]:
    """Return the items that say what the visitor wants now: the session's, or else those bought last."""
    if len(interests.session):
        return interests.session, SESSION_WEIGHTS[: len(interests.session)]
    basket = interests.last_basket
    return basket, np.ones(len(basket))
