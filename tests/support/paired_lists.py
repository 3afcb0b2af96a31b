"""A server of lists in this process, which logs the lists of two versions as pairs."""

from __future__ import annotations

import numpy as np

from presage_export.bundle.ranking import RankingBundle
from presage_export.registry import Aliases, Arm, assign
from presage_featurizer.event_log import Exposure
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_number
from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.retrieval import retrieve
from presage_featurizer.ranking.tables import RankingTables
from presage_training.ranking.model_lists import ModelLists
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.simulator.shop import Shop
from support.exposures import paired_exposure


class PairedModelLists(ModelLists):
    """Lists of a champion and its challenger, each to the visitors of its arm; both score all candidates.

    Args:
        aliases: Who gets which.
        champion: Its bundle.
        challenger: Its bundle.
        shop: Whose products are in the catalogue.
    """

    def __init__(self, aliases: Aliases, champion: RankingBundle, challenger: RankingBundle, shop: Shop) -> None:
        super().__init__(champion, shop)
        self.exposures: list[Exposure] = []
        self._aliases = aliases
        self._bundles = {aliases.champion: champion, aliases.challenger: challenger}
        self._of_version = {
            version: RankingTables.restore(bundle.arrays).bound(self._items)
            for version, bundle in self._bundles.items()
        }

    def rank(self, request: ListRequest) -> ItemList:
        self._replay.close_before(request.unix_micros)
        if self._epoch != self._items.epoch:
            self._epoch = self._items.epoch
            self._features.refresh()
            self._of_version = {name: tables.bound(self._items) for name, tables in self._of_version.items()}
        assigned = assign(self._aliases, request.user_id)
        served = self._aliases.challenger if assigned.arm is Arm.CHALLENGER else self._aliases.champion
        anchor = digest_number(request.anchor_item_id) if request.anchor_item_id else None
        circumstances = Circumstances(request.unix_micros, request.session_id, anchor, request.budget_micros)
        state = self._states.get(request.user_id)
        context = context_of(state, circumstances, self._features, self._of_version[served], self._workspace)
        rows = retrieve(context, self._limits).rows
        digests = context.digests_of(rows)
        scores = {
            name: bundle.scores(pair_features(rows, context.with_tables(self._of_version[name])))
            for name, bundle in self._bundles.items()
        }
        order = np.lexsort((digests, -scores[served]))
        shown = min(request.k, len(rows))
        rank_id = f"{len(self.exposures):032x}"
        self.exposures.append(
            paired_exposure(
                request,
                rank_id,
                assigned=assigned,
                served=served,
                scores=scores,
                digests=digests,
                order=order,
                epoch=self._epoch,
                anchor=anchor,
            )
        )
        return ItemList([ListedItem(self._items.ids[row]) for row in rows[order[:shown]].tolist()], rank_id)
