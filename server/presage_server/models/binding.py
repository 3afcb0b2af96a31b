"""The tables of ranking models, bound to the items of each epoch before a list is ranked with them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Models

__all__ = ["TableBinding"]


class _Items(Protocol):
    @property
    def features(self) -> ItemFeatures: ...


class TableBinding:
    """Binds tables, for the thread that makes epochs and for the one that prepares versions. The one that serves looks them up.

    Args:
        models: What is served.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._added: Sequence[RankingModel] = ()
        """What does not serve yet: the next epoch may come before it does."""
        self._lock = threading.Lock()

    def bind(self, items: ItemColumns) -> None:
        """Have the tables of all models ready for columns that nobody ranks with yet."""
        with self._lock:
            for model in (*self._models.ranking_models, *self._added):
                model.tables(items)

    def add(self, versions: Sequence[RankingModel], items: _Items) -> None:
        """Have the tables of versions that are about to serve ready for the items, and for those of each epoch from now on."""
        with self._lock:
            self._added = versions
            for model in versions:
                model.tables(items.features.items)
