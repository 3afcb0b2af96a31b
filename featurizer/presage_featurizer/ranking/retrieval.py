"""Candidates for a visitor: which of all items are worth ranking, and by which source they were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import TABLES, TableName

__all__ = ["SOURCES", "Candidates", "RetrievalLimits", "best_rows", "next_items", "retrieve"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

SOURCES = (
    "history",
    "session",
    "viewed_together",
    "followed_by",
    "liked_together",
    "similar_sessions",
    "category",
    "price",
    "popular",
)
"""Where candidates come from, in the order in which a candidate that several sources found is credited."""

_NO_ROWS: Rows = np.zeros(0, np.int64)


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


def retrieve(context: RankingContext, limits: RetrievalLimits) -> Candidates:
    """Find candidates: the visitor's own items, their neighbours, similar items and popular ones."""
    interests = context.interests
    parts: list[Rows] = [interests.history, interests.session]
    parts += [_found_by(context, name, getattr(limits, name)) for name in TABLES]
    parts += _alike(context, limits)
    parts.append(context.item_features.popular[: limits.popular])
    return _each_once(parts, range(len(SOURCES)), context)


def next_items(context: RankingContext, limits: RetrievalLimits) -> Candidates:
    """Find what the visitor may look at next, by the session alone; without its newest item."""
    interests = context.interests
    names: tuple[TableName, ...] = ("viewed_together", "followed_by", "similar_sessions")
    parts = [interests.session[1:], *[_found_by(context, name, getattr(limits, name)) for name in names]]
    parts += _alike(context, limits)
    found = _each_once(parts, [SOURCES.index(name) for name in ("session", *names, "category", "price")], context)
    if not len(interests.session):
        return found
    other = found.rows != interests.session[0]
    return Candidates(found.rows[other], found.sources[other])


def _found_by(context: RankingContext, name: TableName, limit: int) -> Rows:
    rows, scores = context.scores.found_by(name)
    return best_rows(rows, scores, context.items.digests, limit)


def best_rows(rows: Rows, scores: Floats, digests: NDArray[np.uint64], limit: int) -> Rows:
    """Return the rows with the highest scores, best first; equal ones in the order of their digests."""
    if len(rows) > limit:
        kept = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit]) if limit else np.zeros(0, np.int64)
        rows, scores = rows[kept], scores[kept]
    return rows[np.lexsort((digests[rows], -scores))[:limit]]


def _alike(context: RankingContext, limits: RetrievalLimits) -> list[Rows]:
    """Find items like the session's newest: of its category and brand, and near its price."""
    session = context.interests.session
    if not len(session):
        return [_NO_ROWS, _NO_ROWS]
    return _like(context.item_features, int(session[0]), limits)


def _like(features: ItemFeatures, row: int, limits: RetrievalLimits) -> list[Rows]:
    category, brand = (features.codes[row, :2] // 3).tolist()
    orders = features.orders
    of_brand = orders.popular(category, brand)[: limits.category] if brand else _NO_ROWS
    alike = np.concatenate([of_brand, orders.popular(category)[: limits.category]])
    return [alike, orders.near_price(category, float(features.prices[row]), limits.price)]


def _each_once(parts: Sequence[Rows], sources: Sequence[int], context: RankingContext) -> Candidates:
    rows = np.concatenate(parts)
    found_by = np.repeat(np.array(sources, np.uint8), [len(part) for part in parts])
    known = (rows != UNKNOWN) & (rows < context.item_features.size)
    rows, found_by = rows[known], found_by[known]
    first = context.workspace.firsts(rows)
    return Candidates(rows[first], found_by[first])
