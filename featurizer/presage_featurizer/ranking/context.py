"""What is known when items are ranked for a visitor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.scores import SourceScores, Workspace
from presage_featurizer.ranking.tables import RankingTables

__all__ = ["RankingContext"]

Rows = NDArray[np.int64]


class RankingContext:
    """The visitor's items at one moment, all items, and the tables.

    Args:
        interests: The visitor's items.
        items: All items.
        tables: Bound to them.
        now_unix_micros: The moment.
        workspace: Of the calling thread.
    """

    def __init__(
        self,
        interests: Interests,
        items: ItemColumns,
        tables: RankingTables,
        now_unix_micros: int,
        *,
        workspace: Workspace,
    ) -> None:
        self.interests = interests
        self.items = items
        self.tables = tables
        self.now_unix_micros = now_unix_micros
        self.scores = SourceScores(interests, tables, len(items), workspace)
        self._workspace = workspace

    def places(self, wanted: Rows, among: Rows) -> Rows:
        """Return where each wanted row is among others, or UNKNOWN."""
        return self._workspace.places(wanted, among, len(self.items))
