"""What a ranking model has to beat: popular items, the visitor's own, neighbours of them, and fixed blends of these."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_training.ranking.queries import Query

__all__ = ["BASELINES", "SHOWN_BASELINES", "baseline_scores"]

Floats = NDArray[np.float64]

_PLACES = {name: place for place, name in enumerate(PAIR_FEATURES)}

BASELINES: dict[str, str] = {
    "popular": "most views and purchases in 7 days, in closed buckets",
    "own history": "the visitor's own items by decayed interest, then popular ones",
    "own session": "the session's items, the newest first, then popular ones",
    "viewed together": "items of the same sessions",
    "transitions": "items that came next",
    "item-kNN": "items of the same visitors",
    "VS-kNN": "items of the sessions that share most with this one",
    "content": "the same category, brand and price band",
    "user-kNN": "items of the 100 visitors with the most similar items",
    "TIFU-like": "0.7 own history, 0.3 user-kNN",
    "blend 50/30/20": "0.5 content, 0.3 sequence, 0.2 session",
    "blend 60/40": "0.6 collaborative, 0.4 content",
}
"""The names of the baselines, with what each ranks by."""

SHOWN_BASELINES: dict[str, str] = {
    "as shown": "the order in which the list was shown",
    "last touched": "items touched in the session, the newest first, then as shown",
}
"""Those that only lists that were shown have."""


def baseline_scores(query: Query) -> Mapping[str, Floats]:
    """Score a query's candidates by each baseline."""
    column = {name: query.features[:, place].astype(np.float64) for name, place in _PLACES.items()}
    users = _scaled(query.users)
    popular = 1.0 / (2.0 + column["popularity_rank"])
    own = _scaled(column["own_score"])
    session = np.where(column["session_rank"] >= 0.0, 1.0 / (1.0 + np.maximum(column["session_rank"], 0.0)), 0.0)
    together, followed = _scaled(column["viewed_together"]), _scaled(column["followed_by"])
    liked, similar = _scaled(column["liked_together"]), _scaled(column["similar_sessions"])
    ratio = column["price_to_newest"]
    band = np.where(ratio > 0.0, np.minimum(ratio, 1.0 / np.maximum(ratio, 1e-9)), 0.0)
    content = (2.0 * column["same_category"] + np.maximum(column["same_brand"], 0.0) + band) / 4.0
    sparing = 1e-3 * popular  # where nothing else is known
    found = {
        "popular": popular,
        "own history": own + sparing,
        "own session": session + sparing,
        "viewed together": together + sparing,
        "transitions": followed + sparing,
        "item-kNN": liked + sparing,
        "VS-kNN": similar + sparing,
        "content": content + sparing,
        "user-kNN": users + sparing,
        "TIFU-like": 0.7 * own + 0.3 * users + sparing,
        "blend 50/30/20": 0.5 * content + 0.3 * followed + 0.2 * np.maximum(session, together) + sparing,
        "blend 60/40": 0.6 * liked + 0.4 * content + sparing,
    }
    if query.positions.any():
        found["as shown"] = -query.positions.astype(np.float64)
        found["last touched"] = session - query.positions * 1e-6
    return found


def _scaled(scores: Floats) -> Floats:
    highest = scores.max(initial=0.0)
    return scores / highest if highest > 0.0 else scores
