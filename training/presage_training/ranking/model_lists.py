"""Lists by a ranking model, for simulated visitors, made as a server would make them but in this process."""

from __future__ import annotations

import numpy as np

from presage_export.bundle.ranking import RankingBundle
from presage_featurizer import MICROS, VISITOR, Event, Item, State
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_number
from presage_featurizer.ranking.compiled import load_kernels
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.retrieval import RetrievalLimits, retrieve
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.simulator.shop import Shop

__all__ = ["ModelLists"]


class ModelLists:
    """A ``ListSource``: candidates as the model's bundle says, in the order of its scores, without rules.

    Items are counted in closed buckets. An event of a bucket that is closed already, since visits overlap, counts in the open one.

    Args:
        bundle: The model.
        shop: Whose products are in the catalogue from the beginning.
    """

    def __init__(self, bundle: RankingBundle, shop: Shop) -> None:
        self._bundle = bundle
        self._limits = RetrievalLimits(**bundle.spec.limits)
        self._items = ItemColumns(bundle.spec.bucket_seconds * MICROS)
        self._replay = ItemReplay(self._items)
        self._features = ItemFeatures(self._items)
        self._tables = RankingTables.restore(bundle.arrays).bound(self._items)
        self._states: dict[str, State] = {}
        self._workspace = Workspace()
        load_kernels()
        self._epoch = UNKNOWN
        self._made = 0
        self._catalogue = [_described(product.item) for product in shop.by_id.values()]

    def add(self, event: Event) -> None:
        """Fold an event into its visitor's state, and count its items."""
        now = event.event_time_unix_micros
        for change in self._catalogue:
            self._replay.add_change(change, now)
        self._catalogue.clear()
        self._replay.add(event, now)
        self._states[event.user_id] = VISITOR.fold(self._states.get(event.user_id), event)

    def rank(self, request: ListRequest) -> ItemList:
        """Rank for a visitor."""
        self._replay.close_before(request.unix_micros)
        if self._epoch != self._items.epoch:
            self._epoch = self._items.epoch
            self._features.refresh()
            self._tables = self._tables.bound(self._items)
        anchor = digest_number(request.anchor_item_id) if request.anchor_item_id else None
        circumstances = Circumstances(request.unix_micros, request.session_id, anchor, request.budget_micros)
        state = self._states.get(request.user_id)
        context = context_of(state, circumstances, self._features, self._tables, self._workspace)
        rows = retrieve(context, self._limits).rows
        scores = self._bundle.scores(np.ascontiguousarray(pair_features(rows, context)))
        best = rows[np.lexsort((context.digests_of(rows), -scores))[: request.k]]
        self._made += 1
        return ItemList([ListedItem(self._items.ids[row]) for row in best.tolist()], f"model-{self._made}")


def _described(item: Item) -> CatalogueChange:
    return CatalogueChange(item.item_id, item.price_micros, item.category, item.brand)
