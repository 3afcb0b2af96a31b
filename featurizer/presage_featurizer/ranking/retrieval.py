"""Candidates for a visitor: which of all items are worth ranking, and by which source they were found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import TableName

__all__ = ["SOURCES", "Candidates", "RetrievalLimits", "retrieve"]

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

_TABLES: tuple[TableName, ...] = ("viewed_together", "followed_by", "liked_together", "similar_sessions")


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
    digests = context.items.digests
    parts: list[Rows] = [context.interests.history, context.interests.session]
    for name in _TABLES:
        rows, scores = context.scores.found_by(name)
        parts.append(rows[np.lexsort((digests[rows], -scores))[: getattr(limits, name)]])
    parts += _alike(context, limits)
    parts.append(context.items.summary.popular[: limits.popular])
    rows = np.concatenate(parts)
    sources = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    _, first = np.unique(rows, return_index=True)
    first.sort()
    return Candidates(rows[first], sources[first].astype(np.uint8))


def _alike(context: RankingContext, limits: RetrievalLimits) -> list[Rows]:
    """Find items like the session's newest: of its category and brand, and near its price."""
    items, session = context.items, context.interests.session
    summary = items.summary
    if not len(session):
        return [summary.popular[:0]] * 2
    newest = session[0]
    category = int(items.categories[newest])
    pair = int(summary.pairs[newest]) if newest < len(summary.pairs) else UNKNOWN
    popular = [summary.by_pair[pair][: limits.category], summary.by_category[category][: limits.category]]
    by_price = summary.by_price[category]
    place = int(np.searchsorted(items.prices[by_price], items.prices[newest]))
    return [np.concatenate(popular), by_price[max(0, place - limits.price) : place + limits.price]]
