"""What a server that ranks holds, made from a shop's log: visitors' states, items as columns, and a model fitted to that log."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import lightgbm
import numpy as np

from benchmarks.ranking.shop import Shop
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.ranking_spec import RankingSpec
from presage_export.ranking_exporter import export_ranking_model
from presage_featurizer import MICROS, Event, State
from presage_featurizer.ranking.definition import ranking_definition
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_featurizer.ranking.retrieval import SOURCES, RetrievalLimits
from presage_featurizer.ranking.tables import RankingTables
from presage_training.ranking.answers import survey
from presage_training.ranking.exporting import table_arrays
from presage_training.ranking.planning import RankingPlan
from presage_training.ranking.queries import LogReplay, Query
from presage_training.ranking.tables import TableBuilder
from presage_training.replaying.replay import Replay

__all__ = ["World", "make_world"]

_BUCKET_SECONDS = 60
_FIT_SECONDS = 2_400
"""How long before the end the questions begin that the model is fitted to: they are those of the last sessions."""
_FIT_VISITORS = 100
_TREES = 60
"""Somewhat more than the 49 and 52 of models of real logs."""
_PARAMETERS = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 3,
    "verbose": -1,
}


@dataclass(frozen=True, kw_only=True)
class World:
    """A shop with its log."""

    shop: Shop
    events: list[Event]
    users: list[str]
    """The ids of its visitors, in the order of their first events."""
    states: list[State]
    """Those of the visitors, in their order."""
    seen: list[list[int]]
    """The numbers of the items that each visitor came across, in their order."""
    columns: ItemColumns
    """Of all items, with all events counted."""

    def write_bundle(self, models: Path) -> Path:
        """Fit a ranking model, and write its bundle to a folder of models; returns the bundle's folder.

        The tables are of the log up to the questions, as in training.
        """
        start = self.shop.end_unix_micros - _FIT_SECONDS * MICROS
        asked = {self.shop.user_id(number) for number in range(_FIT_VISITORS)}
        log = [event for event in self.events if event.event_time_unix_micros < start or event.user_id in asked]
        builder = TableBuilder()
        for event in log:
            if event.event_time_unix_micros < start:
                builder.add(event)
        tables = builder.build(start)
        answers = survey(log, ("next-item",)).answers["next-item"]
        wanted = tuple(answer for answer in answers if answer.unix_micros >= start)
        plan = RankingPlan(
            question="next-item",
            why="",
            fit_from_unix_micros=start,
            test_from_unix_micros=self.shop.end_unix_micros + 1,
            fit=wanted,
            test=(),
            fit_count=len(wanted),
            test_count=0,
        )
        fitted_on = [query for _, query in LogReplay(plan, bucket_seconds=_BUCKET_SECONDS).queries(log)]
        folder = models / "ranking" / "1"
        self._export(folder, fitted_on, tables)
        return folder

    @staticmethod
    def _export(folder: Path, fitted_on: list[Query], tables: RankingTables) -> None:
        rows = np.concatenate([query.features for query in fitted_on])
        labels = np.concatenate([np.isin(query.items, query.targets) for query in fitted_on]).astype(np.int32)
        groups = [len(query.rows) for query in fitted_on]
        data = lightgbm.Dataset(rows, labels, group=groups, feature_name=list(PAIR_FEATURES))
        export_ranking_model(
            lightgbm.train(_PARAMETERS, data, _TREES),
            folder,
            rows=rows,
            groups=groups,
            arrays=table_arrays(tables),
            feature_set=FeatureSetSpec(**ranking_definition()),
            ranking=RankingSpec(
                question="next-item",
                bucket_seconds=_BUCKET_SECONDS,
                limits=asdict(RetrievalLimits()),
                sources=SOURCES,
                label_gains=(0.0, 1.0),
                truncation_level=20,
                candidates_per_query=float(np.mean([len(query.rows) for query in fitted_on])),
                groups=(),
                items=0,
            ),
            objective="lambdarank",
        )


def make_world(items: int = 100_000, visitors: int = 2_000, *, end_unix_micros: int | None = None) -> World:
    """Make a shop, and replay its log.

    Args:
        items: All of them are in the catalogue, whether anybody looked at them or not.
        visitors: Each with some hundred events of two days, the last ones a few minutes ago.
        end_unix_micros: When the log ends; now unless given.
    """
    end = time.time_ns() // 1_000 if end_unix_micros is None else end_unix_micros
    shop = Shop(items=items, visitors=visitors, end_unix_micros=end)
    events = shop.events()
    replay = Replay()
    columns = ItemColumns(_BUCKET_SECONDS * MICROS)
    counted = ItemReplay(columns)
    numbers: dict[str, int] = {}
    seen: dict[str, list[int]] = {}
    first = events[0].event_time_unix_micros
    for number in range(items):
        item = shop.item(number)
        numbers[item.item_id] = number
        counted.add_change(
            CatalogueChange(item.item_id, item.price_micros, item.category, item.brand, stock=1 + number % 50),
            first,
            number,
        )
    for place, event in enumerate(events):
        replay.fold(event)
        seen.setdefault(event.user_id, []).append(numbers[event.items[0].item_id])
        counted.add(event, event.event_time_unix_micros, place)
    counted.close_before(end)
    return World(
        shop=shop,
        events=events,
        users=list(seen),
        states=[replay.states[user] for user in seen],
        seen=list(seen.values()),
        columns=columns,
    )
