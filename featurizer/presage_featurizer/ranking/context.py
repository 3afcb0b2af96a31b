"""What is known when items are ranked for a visitor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import product_digests
from presage_featurizer.ranking.intent import Intent
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import MAX_COLD, ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.scores import SourceScores
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace

__all__ = ["RankingContext"]

Rows = NDArray[np.int64]


class RankingContext:
    """The visitor's items at one moment, all items, and the tables.

    Args:
        interests: The visitor's items.
        item_features: Of all items, refreshed since they changed.
        tables: Bound to them.
        now_unix_micros: The moment.
        workspace: Of the calling thread.
        anchor: The row of the item on whose page the list is shown; UNKNOWN: the item that the visitor looked at last.
        budget: What the visitor can spend, in units of the shop's currency; None if unknown.
        cart_value: What the visitor's cart is worth already.
        intent: What the session seems to be about.
        country: The visitor's, as in events; empty if unknown.
    """

    def __init__(
        self,
        interests: Interests,
        item_features: ItemFeatures,
        tables: RankingTables,
        now_unix_micros: int,
        *,
        workspace: Workspace,
        anchor: int = UNKNOWN,
        budget: float | None = None,
        cart_value: float = 0.0,
        intent: Intent = Intent.UNSPECIFIED,
        country: str = "",
    ) -> None:
        self.interests = interests
        self.item_features = item_features
        self.items = item_features.items
        self.size = item_features.size
        """How many items there are for this visitor: features may grow before the last candidates are ranked."""
        self.tables = tables
        self.now_unix_micros = now_unix_micros
        self.anchor = anchor
        self.budget = budget
        self.cart_value = cart_value
        self.intent = intent
        self.country = country
        self.workspace = workspace
        self.cold_digests: list[int] = []
        """Numbers of the digests of candidates that the columns do not have; their rows follow those of the columns."""
        self._cold: dict[int, int] = {}
        workspace.reserve(max(item_features.size + MAX_COLD, item_features.code_count, len(tables.digests)) + 1)
        self._scores: SourceScores | None = None

    @property
    def scores(self) -> SourceScores:
        """How near items are to the visitor's."""
        if self._scores is None:
            self._scores = SourceScores(self.interests, self.tables, self.workspace)
        return self._scores

    def resolve(self, digests: NDArray[np.uint64]) -> Rows:
        """Return rows of candidates by the numbers of their digests; those that the columns do not have get rows of their own.

        Raises:
            ValueError: The columns do not have more than MAX_COLD of them.
        """
        rows = self.item_features.index.rows_of(digests)
        for place in np.flatnonzero(rows == UNKNOWN).tolist():
            rows[place] = self._place_cold(int(digests[place]))
        return rows

    def resolve_ids(self, ids: Sequence[str]) -> tuple[Rows, NDArray[np.uint64]]:
        """Return rows of candidates by their ids, as ``resolve``, and the numbers of their digests.

        Raises:
            ValueError: The columns do not have more than MAX_COLD of them.
        """
        rows = self.item_features.rows_of_ids(ids)
        unknown = np.flatnonzero(rows == UNKNOWN)
        if not len(unknown):
            return rows, self.items.digests.take(rows)
        digests = np.zeros(len(rows), np.uint64)
        known = rows != UNKNOWN
        digests[known] = self.items.digests[rows[known]]
        digests[unknown] = np.frombuffer(product_digests([ids[place] for place in unknown.tolist()]), "<u8")
        for place in unknown.tolist():
            rows[place] = self._place_cold(int(digests[place]))
        return rows, digests

    def is_cold(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which candidates the columns do not have."""
        return rows >= self.size

    def digests_of(self, rows: Rows) -> NDArray[np.uint64]:
        """Return the numbers of candidates' digests."""
        if not self.cold_digests:
            return self.items.digests[rows]
        size = self.size
        found = np.zeros(len(rows), np.uint64)
        is_cold = rows >= size
        found[~is_cold] = self.items.digests[rows[~is_cold]]
        found[is_cold] = np.array(self.cold_digests, np.uint64)[rows[is_cold] - size]
        return found

    def _place_cold(self, digest: int) -> int:
        known = self._cold.get(digest)
        if known is not None:
            return known
        if len(self.cold_digests) == MAX_COLD:
            raise ValueError(f"candidates: expected at most {MAX_COLD:,} that the catalogue does not have, got more")
        row = self.size + len(self.cold_digests)
        self.cold_digests.append(digest)
        self._cold[digest] = row
        self.interests.place_cold(digest, row)
        self._scores = None
        return row
