"""The items as of the newest epoch, and their features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns

__all__ = ["FixedItems", "ItemSource"]


class ItemSource(Protocol):
    """Where the items are."""

    @property
    def features(self) -> ItemFeatures:
        """The features of all items, as of the newest epoch; other ones after each epoch: a list keeps those it began with."""
        ...


@dataclass(slots=True)
class FixedItems:
    """Items that change only if somebody puts other columns here; their features are computed when they are asked for."""

    columns: ItemColumns
    _features: ItemFeatures | None = field(default=None, init=False)
    _epoch: int = field(default=0, init=False)

    @property
    def features(self) -> ItemFeatures:
        """The features of all items."""
        items, features = self.columns, self._features
        if features is None or not items.continues(features.items):
            features = self._features = ItemFeatures(items)
        elif features.items is not items or self._epoch != items.epoch:
            features.refresh(items)
        self._epoch = items.epoch
        return features
