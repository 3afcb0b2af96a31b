"""Candidates for a visitor: which of all items are worth ranking, and by which source they were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.category_orders import CategoryOrders
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.item_features import CODES, ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import TABLES, TableName
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace

__all__ = [
    "DEFAULT_COUNT",
    "SOURCES",
    "Candidates",
    "RetrievalLimits",
    "SimilarItems",
    "best_rows",
    "next_items",
    "retrieve",
    "similar_items",
]

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
    "popular_in_country",
)
"""Where candidates come from. Their order is stored in bundles: new ones come last."""

_CREDITED = (*range(SOURCES.index("popular")), SOURCES.index("popular_in_country"), SOURCES.index("popular"))
"""Places in SOURCES, in the order in which a candidate that several sources found is credited."""

DEFAULT_COUNT = 20
"""Items of a list whose length the caller leaves open."""

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
    popular_in_country: int = 40
    """The most popular items of the country of a visitor without items; they come first, and reduce those of all countries."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items to rank."""

    rows: Rows
    sources: NDArray[np.uint8]
    """Places in SOURCES: which source found each first."""


@dataclass(frozen=True, slots=True)
class SimilarItems:
    """Items like one, the nearest first."""

    rows: Rows
    scores: Floats
    """How near they are, from 0."""
    sources: NDArray[np.uint8]
    """Places in SOURCES: which source found each first."""


def retrieve(context: RankingContext, limits: RetrievalLimits, least: int = DEFAULT_COUNT) -> Candidates:
    """Find candidates: the visitor's own items, their neighbours, similar items and popular ones.

    Args:
        context: The visitor, the items and the tables.
        limits: How many candidates each source adds at most.
        least: How many popular items are needed; fewer are found if the country of a visitor without items has no more.
    """
    interests = context.interests
    parts: list[Rows] = [interests.history, interests.session]
    parts += [_found_by(context, name, getattr(limits, name)) for name in TABLES]
    parts += _alike(context, limits)
    parts += _popular(context, limits, least)
    return _each_once(parts, _CREDITED, context)


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


def similar_items(
    row: int, features: ItemFeatures, tables: RankingTables, limits: RetrievalLimits, workspace: Workspace
) -> SimilarItems:
    """Find the items that are like one item, whoever looks at it.

    The score is the sum of up to four parts from 0 to 1: the nearness by each table of neighbours beside that of the nearest item,
    and how alike the items are: half of it for the category, a quarter for the brand, a quarter for the price.

    Args:
        row: The item's.
        features: Of all items.
        tables: Bound to them.
        limits: How many items of its category and price are looked at.
        workspace: Of the calling thread.
    """
    workspace.reserve(features.size)
    parts, amounts, sources = [_NO_ROWS], [np.zeros(0)], [np.zeros(0, np.uint8)]
    table_row = int(tables.table_rows_of[row])
    for name, table in tables.neighbours.items() if table_row != UNKNOWN else ():
        rows = tables.columns_of.take(table.rows[table_row], mode="wrap")
        weights = table.weights[table_row].astype(np.float64)
        near = (rows != UNKNOWN) & (weights > 0.0)
        if near.any():
            parts.append(rows[near])
            amounts.append(weights[near] / weights.max())
            sources.append(np.full(len(parts[-1]), SOURCES.index(name), np.uint8))
    alike = _like(features.codes[row], float(features.prices[row]), features.orders, limits)
    for name, rows in zip(("category", "price"), alike, strict=True):
        parts.append(rows)
        amounts.append(np.zeros(len(rows)))
        sources.append(np.full(len(rows), SOURCES.index(name), np.uint8))
    found = np.concatenate(parts)
    first = workspace.firsts(found)
    first = first[found[first] != row]
    scores = np.zeros(len(found))  # if the item itself is among them, its place is the last, which is cut off
    np.add.at(scores, workspace.places(found, found[first]), np.concatenate(amounts))
    rows = found[first]
    scores = scores[: len(rows)] + _likeness(row, rows, features)
    order = np.lexsort((features.items.digests[rows], -scores))
    return SimilarItems(rows[order], scores[order], np.concatenate(sources)[first[order]])


def _likeness(row: int, others: Rows, features: ItemFeatures) -> Floats:
    codes, own = features.codes.take(others, axis=0), features.codes[row]
    same = (codes == own) & (own >= len(CODES))
    prices, price = features.prices.take(others), float(features.prices[row])
    least, most = np.minimum(prices, price), np.maximum(prices, price)
    likeness: Floats = same[:, 0] / 2.0 + same[:, 1] / 4.0
    return likeness + np.where(least > 0.0, least / np.maximum(most, 1e-9), 0.0) / 4.0


def _found_by(context: RankingContext, name: TableName, limit: int) -> Rows:
    rows, scores = context.scores.found_by(name)
    return best_rows(rows, scores, context.items.digests, limit)


def best_rows(rows: Rows, scores: Floats | Rows, digests: NDArray[np.uint64], limit: int) -> Rows:
    """Return the rows with the highest scores, best first; equal ones in the order of their digests."""
    if len(rows) > limit:
        kept = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit]) if limit else np.zeros(0, np.int64)
        rows, scores = rows[kept], scores[kept]
    return rows[np.lexsort((digests[rows], -scores))[:limit]]


def _popular(context: RankingContext, limits: RetrievalLimits, least: int) -> list[Rows]:
    """Find what is popular everywhere; for a visitor without items, in the visitor's country.

    Of such a visitor the model knows no more than how popular candidates are everywhere, and would put those ahead of the others.
    So only as many are filled up as the list is short of. Where items are known, they say more: countries brought nothing there.
    """
    features = context.item_features
    everywhere = features.popular[: limits.popular]
    in_country = _NO_ROWS
    if context.country and not len(context.interests.digests):
        in_country = features.by_country.of(context.country)[: limits.popular_in_country]
    if len(in_country):
        others = everywhere[context.workspace.places(everywhere, in_country) == UNKNOWN]
        everywhere = others[: max(0, min(least, limits.popular) - len(in_country))]
    return [in_country, everywhere]


def _alike(context: RankingContext, limits: RetrievalLimits) -> list[Rows]:
    """Find items like the session's newest: of its category and brand, and near its price."""
    interests, features = context.interests, context.item_features
    if not len(interests.session):
        return [_NO_ROWS, _NO_ROWS]
    return _like(interests.codes[0], float(interests.prices[0]), features.orders, limits)


def _like(codes: Rows, price: float, orders: CategoryOrders, limits: RetrievalLimits) -> list[Rows]:
    category, brand = (codes[:2] // len(CODES)).tolist()
    of_brand = orders.popular(category, brand)[: limits.category] if brand else _NO_ROWS
    alike = np.concatenate([of_brand, orders.popular(category)[: limits.category]])
    return [alike, orders.near_price(category, price, limits.price)]


def _each_once(parts: Sequence[Rows], sources: Sequence[int], context: RankingContext) -> Candidates:
    rows = np.concatenate(parts)
    found_by = np.repeat(np.array(sources, np.uint8), [len(part) for part in parts])
    known = (rows != UNKNOWN) & (rows < context.item_features.size)
    rows, found_by = rows[known], found_by[known]
    first = context.workspace.firsts(rows)
    return Candidates(rows[first], found_by[first])
