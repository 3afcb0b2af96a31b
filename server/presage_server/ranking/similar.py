"""The items that are like one item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.assembling import digest_number, row_of
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.retrieval import RetrievalLimits, best_rows
from presage_featurizer.ranking.tables import RankingTables
from presage_server.ranking.conditions import meeting
from presage_server.ranking.jobs import RankedItems, SimilarJob

__all__ = ["list_similar"]

_ALIKE_WEIGHT = 0.25
"""What the most popular item of the same category counts, and the one nearest in price; the nearest item by a table counts 1."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def list_similar(job: SimilarJob, features: ItemFeatures) -> None:
    """Fill in a job's items: those that most sessions, next events and visitors share with the item, then others of its category.

    The list is the same for every visitor.
    """
    items, model = features.items, job.model
    row = row_of(digest_number(job.item_id), features)
    job.cold = row == UNKNOWN
    if job.cold:
        return
    rows, scores, sources = _find(row, features, model.tables(items), model.limits)
    live = items.live_values(rows, items.digests[rows])
    fits = ~live.blocked & (live.stock != 0)
    if job.conditions is not None:
        fits &= meeting(job.conditions, rows, items, live)
    kept = np.flatnonzero(fits)
    best = best_rows(rows[kept], scores[kept], items.digests, job.k)
    place_of = {found: place for place, found in enumerate(rows.tolist())}
    places = [place_of[found] for found in best.tolist()]
    nothing: list[tuple[str, ...]] = [()] * len(places)
    job.items = RankedItems(
        ids=[items.ids[found] for found in best.tolist()],
        scores=scores[places],
        sources=sources[places],
        cold=np.zeros(len(places), np.bool_),
        prices=live.prices[places],
        reasons=nothing,
        propensities=np.ones(len(places)),
        rules=nothing,
    )


def _find(
    row: int, features: ItemFeatures, tables: RankingTables, limits: RetrievalLimits
) -> tuple[Rows, Floats, NDArray[np.uint8]]:
    """Return the items that are like one, each once, how near they are, and the sources that count most for each."""
    nearness: dict[int, float] = {}
    strongest: dict[int, tuple[float, int]] = {}

    def add(rows: Rows, weights: Floats, source: int) -> None:
        for found, weight in zip(rows.tolist(), weights.tolist(), strict=True):
            if found != row:
                nearness[found] = nearness.get(found, 0.0) + weight
                strongest[found] = max(strongest.get(found, (0.0, 0)), (weight, source))

    table_row = int(tables.table_rows_of[row])
    if table_row != UNKNOWN:
        for name, table in tables.neighbours.items():
            near, weights = table.rows[table_row], table.weights[table_row].astype(np.float64)
            rows = np.where(near == UNKNOWN, UNKNOWN, tables.columns_of[near])
            known = rows != UNKNOWN
            add(rows[known], weights[known] / max(float(weights.max(initial=0.0)), 1e-9), _SOURCES[name])
    category = int(features.items.categories[row])
    alike = features.orders.popular(category)[: limits.category]
    add(alike, _falling(len(alike)), pb.ITEM_SOURCE_CATEGORY)
    priced = features.orders.near_price(category, float(features.prices[row]), limits.price)
    add(priced, _falling(len(priced)), pb.ITEM_SOURCE_PRICE)
    found = np.array(list(nearness), np.int64)
    sources = np.array([strongest[place][1] for place in nearness], np.uint8)
    return found, np.array(list(nearness.values()), np.float64), sources


_SOURCES = {
    "viewed_together": pb.ITEM_SOURCE_VIEWED_TOGETHER,
    "followed_by": pb.ITEM_SOURCE_FOLLOWED_BY,
    "liked_together": pb.ITEM_SOURCE_LIKED_TOGETHER,
}


def _falling(count: int) -> Floats:
    """Return weights of items in their order, the first one's the highest."""
    return _ALIKE_WEIGHT * (1.0 - np.arange(count) / max(1, count))
