"""A policy to be estimated: other rules, another model, or both, on the candidates of a logged ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.errors import UnknownPlacementError
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.placements import Placements, Scored, place_probabilities
from presage_training.errors import DatasetError

__all__ = ["NewPolicy", "RankingModel"]

Floats = NDArray[np.float64]


class RankingModel(Protocol):
    """What a ranking bundle does."""

    def scores(self, rows: NDArray[np.float32]) -> Floats: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPolicy:
    """Rules, and the model if it is another than the logged one."""

    placements: Placements
    model: RankingModel | None = None
    """None: the scores of the log."""
    fingerprint: str = ""
    """Of the features that the model reads, in hex."""

    def reads(self, exposure: Exposure) -> bool:
        """Return whether the log has what the policy needs of a ranking: features, if it has a model of its own."""
        return self.model is None or (bool(exposure.features) and exposure.fingerprint == self.fingerprint)

    def probabilities(self, exposure: Exposure, items: ItemColumns) -> Floats:
        """Return the probability of each candidate of a ranking at each place.

        Prices, stock and blocked items are those that the log says were used.

        Args:
            exposure: The ranking, one that ``reads``.
            items: As of the ranking: categories, brands, ages and counts.

        Returns:
            Shape (places of the list, candidates).

        Raises:
            DatasetError: The ranking's placement is not declared.
        """
        try:
            placement = self.placements[exposure.placement]
        except UnknownPlacementError as error:
            raise DatasetError(
                f"placement of ranking {exposure.rank_id}: {error}; name the servers' file of rules: --placements FILE"
            ) from error
        digests = exposure.digests
        rows = items.rows_of(digests.tolist())
        unknown = np.flatnonzero(rows == UNKNOWN)
        rows[unknown] = len(items) + np.arange(len(unknown))
        live = LiveValues(
            np.frombuffer(exposure.prices, "<f8"),
            np.frombuffer(exposure.stocks, "<i8"),
            np.frombuffer(exposure.blocked, np.uint8).astype(bool),
            [()] * len(digests),
        )
        logged = np.frombuffer(exposure.scores, "<f8")
        scores = logged if self.model is None else self.model.scores(np.ascontiguousarray(exposure.feature_rows))
        return place_probabilities(
            Scored(rows, digests, scores, np.frombuffer(exposure.sources, np.uint8), live),
            placement,
            items,
            k=exposure.k,
            budget_micros=exposure.budget_micros,
            cart_micros=exposure.cart_micros,
        )
