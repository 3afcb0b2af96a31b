"""The items as of the newest epoch, and their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns

__all__ = ["CurrentItems", "FixedItems", "ItemSource"]


class ItemSource(Protocol):
    """Where the items are."""

    @property
    def columns(self) -> ItemColumns:
        """All items, as of the newest epoch; other ones, or changed ones, after each epoch."""
        ...


@dataclass(slots=True)
class FixedItems:
    """Items that do not change by themselves."""

    columns: ItemColumns


class CurrentItems:
    """Features of the items of a source; for one thread.

    Args:
        source: Where the items are.
    """

    def __init__(self, source: ItemSource) -> None:
        self._source = source
        self._features: ItemFeatures | None = None
        self._epoch = 0

    def features(self) -> ItemFeatures:
        """Return the features of all items, as of the newest epoch."""
        items, features = self._source.columns, self._features
        # Columns of another epoch share the numbers of rows; others are of another store.
        if features is None or features.items.rows is not items.rows:
            features = self._features = ItemFeatures(items)
        elif features.items is not items or self._epoch != items.epoch:
            features.refresh(items)
        self._epoch = items.epoch
        return features
