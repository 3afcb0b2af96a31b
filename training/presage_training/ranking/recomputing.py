"""Logged rankings computed again: the same features, order and list, bit for bit, from what was known at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import State
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.assembling import Circumstances, context_of, draw_seed
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.placements import Arranged, Placement, Scored, arrange
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace

__all__ = ["Recomputed", "recompute"]


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A ranking as it was; columns are in the exposure's order of candidates, which descends by score."""

    features: NDArray[np.float32]
    """Shape (candidates, features)."""
    scores: NDArray[np.float64]
    arranged: Arranged
    """The list, by the candidates' places."""

    def differences(self, exposure: Exposure) -> list[str]:
        """Return what is not as logged, bit for bit: of features (if logged), scores, list, propensities and rules."""
        arranged = self.arranged
        logged = {
            "features": not exposure.features or self.features.astype("<f4").tobytes() == exposure.features,
            "scores": self.scores.astype("<f8").tobytes() == exposure.scores,
            "list": arranged.places.astype("<u2").tobytes() == exposure.shown,
            "propensities": arranged.propensities.astype("<f8").tobytes() == exposure.propensities,
            "rules": arranged.rules == exposure.rules,
        }
        return [name for name, same in logged.items() if not same]


def recompute(
    exposure: Exposure,
    state: State | None,
    item_features: ItemFeatures,
    tables: RankingTables,
    *,
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    placement: Placement,
    workspace: Workspace,
) -> Recomputed:
    """Compute a logged ranking again.

    Args:
        exposure: What was logged.
        state: The visitor's after ``exposure.last_event``; not used if the history could not be read.
        item_features: Of the items as of the exposure's epoch.
        tables: The model's, bound to them.
        score: The model: features to scores, float64.
        placement: The rules that the exposure's placement had.
        workspace: Of the calling thread.
    """
    circumstances = Circumstances(
        exposure.as_of_unix_micros, exposure.session_id, exposure.anchor, exposure.budget_micros
    )
    state = None if exposure.degraded else state
    context = context_of(state, circumstances, item_features, tables, workspace)
    digests = exposure.digests.astype(np.uint64)
    rows = context.resolve(digests)
    given = np.frombuffer(exposure.given, "<u2").astype(np.int64)
    features = pair_features(rows, context, given if given.any() else None)
    scores = score(features)
    live = LiveValues(
        np.frombuffer(exposure.prices, "<f8"),
        np.frombuffer(exposure.stocks, "<i8"),
        np.frombuffer(exposure.blocked, np.uint8).astype(bool),
        [()] * len(rows),
    )
    arranged = arrange(
        Scored(rows, digests, scores, np.frombuffer(exposure.sources, np.uint8), live),
        placement,
        item_features.items,
        k=exposure.k,
        budget_micros=exposure.budget_micros,
        cart_micros=exposure.cart_micros,
        seed=draw_seed(exposure.rank_id),
    )
    return Recomputed(features, scores, arranged)
