"""From scored candidates to the list that is returned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.assembling import draw_seed
from presage_featurizer.ranking.placements import Arranged, Scored, arrange
from presage_featurizer.ranking.reasons import reasons
from presage_server.ranking.finding import Candidates
from presage_server.ranking.jobs import RankedItems, RankJob

__all__ = ["make_list"]


def make_list(job: RankJob, candidates: Candidates, scores: NDArray[np.float64]) -> tuple[Scored, Arranged]:
    """Apply the rules to scored candidates, and fill in the job's items."""
    items = candidates.context.items
    scored = Scored(candidates.rows, candidates.digests, scores, candidates.sources, candidates.live)
    arranged = arrange(
        scored,
        job.rules,
        items,
        k=job.k,
        budget_micros=job.budget_micros,
        cart_micros=candidates.cart_micros,
        seed=draw_seed(job.rank_id),
    )
    places = arranged.places
    rows, features = candidates.rows.take(places), candidates.features
    given = candidates.given
    job.items = RankedItems(
        ids=[items.ids[row] for row in rows.tolist()]
        if given is None
        else [job.candidate_ids[place - 1] for place in given.take(places).tolist()],
        scores=scores.take(places),
        sources=candidates.sources.take(places),
        cold=candidates.context.is_cold(rows),
        prices=candidates.live.prices.take(places),
        reasons=reasons(features, places),
        propensities=arranged.propensities,
        rules=arranged.rules,
        features=features.take(places, axis=0) if job.include_features else None,
    )
    return scored, arranged
