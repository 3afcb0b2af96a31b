"""Candidates for a visitor: which of all items are worth ranking, and by which source they were found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.tables import Neighbours, RankingTables

__all__ = ["SOURCES", "Candidates", "RetrievalLimits", "SourceScores", "Workspace"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SOURCES = ("history", "session", "viewed_together", "followed_by", "liked_together", "similar_sessions", "category", "price", "popular")
"""Where candidates come from, in the order in which a candidate that several sources found is credited."""

_SESSION_DECAY = 0.8
"""What an item of the session weighs, for each newer one."""
_FOLLOWED_ITEMS = 5
_SIMILAR_SESSIONS = 100
_SESSIONS_PER_ITEM = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalLimits:
    """How many candidates each source adds at most."""

    viewed_together: int = 40
    followed_by: int = 20
    liked_together: int = 60
    similar_sessions: int = 30
    category: int = 30
    """The most popular items of the newest item's category and brand, and as many of its category."""
    price: int = 15
    """Items of the newest item's category with the next lower and higher prices; as many of each."""
    popular: int = 40


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items to rank."""

    rows: Rows
    sources: NDArray[np.uint8]
    """Places in SOURCES: which source found each first."""


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
        return found, sums

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
        items: All items.
        workspace: Of the calling thread.
    """

    def __init__(self, interests: Interests, tables: RankingTables, items: ItemColumns, workspace: Workspace) -> None:
        self._tables = tables
        self._workspace = workspace
        self._size = len(items)
        context, weights = _context(interests)
        self.viewed_together = self._spread(tables.viewed_together, context, weights)
        self.followed_by = self._spread(tables.followed_by, context[:_FOLLOWED_ITEMS], weights[:_FOLLOWED_ITEMS])
        self.liked_together = self._spread(tables.liked_together, interests.history, np.minimum(interests.scores, _MAX_SCORE) / _MAX_SCORE)
        self.similar_sessions = self._similar_sessions(context[:_FOLLOWED_ITEMS], weights[:_FOLLOWED_ITEMS])

    def of(self, name: str, rows: Rows) -> Floats:
        """Return the scores of some items by one table; 0 for those that it does not find."""
        found, scores = getattr(self, name)
        places = self._workspace.places(rows, found, self._size)
        return np.where(places == UNKNOWN, 0.0, np.append(scores, 0.0)[places])

    def _spread(self, table: Neighbours, rows: Rows, weights: Floats) -> tuple[Rows, Floats]:
        table_rows = self._tables.table_rows_of[rows]
        known = table_rows != UNKNOWN
        near = table.rows[table_rows[known]]
        amounts = (table.weights[table_rows[known]] * weights[known, None]).ravel()
        return self._sum(near.ravel(), amounts.astype(np.float64))

    def _sum(self, table_rows: NDArray[np.int32], amounts: Floats) -> tuple[Rows, Floats]:
        rows = np.where(table_rows == UNKNOWN, UNKNOWN, self._tables.columns_of[table_rows]) if len(self._tables.columns_of) else table_rows.astype(np.int64)
        known = rows != UNKNOWN
        return self._workspace.sum(rows[known], amounts[known], self._size)

    def _similar_sessions(self, rows: Rows, weights: Floats) -> tuple[Rows, Floats]:
        """Score the items of the sessions that share most with this one ("vector multiplication session-kNN", Ludewig and Jannach, 2018)."""
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
        places = np.repeat(sessions.starts[numbers] - np.append(0, np.cumsum(sizes)[:-1]), sizes) + np.arange(sizes.sum())
        return self._sum(sessions.items[places], np.repeat(similarity, sizes))


_MAX_SCORE = 20.0


def _context(interests: Interests) -> tuple[Rows, Floats]:
    """Return the items that say what the visitor wants now: the session's, or else those bought last."""
    if len(interests.session):
        return interests.session, _SESSION_DECAY ** np.arange(len(interests.session))
    basket = interests.last_basket
    return basket, np.ones(len(basket))


def retrieve(
    interests: Interests, scores: SourceScores, items: ItemColumns, limits: RetrievalLimits = RetrievalLimits()
) -> Candidates:
    """Find candidates: the visitor's own items, their neighbours, similar items and popular ones."""
    parts: list[Rows] = [interests.history, interests.session]
    for name in SOURCES[2:6]:
        parts.append(_best(*getattr(scores, name), getattr(limits, name), items.digests))
    parts += _similar(interests, items, limits)
    parts.append(items.summary.popular[: limits.popular])
    rows = np.concatenate(parts)
    sources = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    _, first = np.unique(rows, return_index=True)
    first.sort()
    return Candidates(rows[first], sources[first].astype(np.uint8))


def _best(rows: Rows, scores: Floats, limit: int, digests: NDArray[np.uint64]) -> Rows:
    return rows[np.lexsort((digests[rows], -scores))[:limit]]


def _similar(interests: Interests, items: ItemColumns, limits: RetrievalLimits) -> list[Rows]:
    summary = items.summary
    if not len(interests.session):
        return [summary.popular[:0]] * 2
    newest = interests.session[0]
    category = int(items.categories[newest])
    pair = int(summary.pairs[newest]) if newest < len(summary.pairs) else UNKNOWN
    popular = [summary.by_pair[pair][: limits.category], summary.by_category[category][: limits.category]]
    by_price = summary.by_price[category]
    place = int(np.searchsorted(items.prices[by_price], items.prices[newest]))
    return [np.concatenate(popular), by_price[max(0, place - limits.price) : place + limits.price]]
