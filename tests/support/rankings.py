"""A small shop with a ranking model: its items, its visitors' events, and a bundle that ranks them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.ranking_spec import RankingSpec
from presage_export.ranking_exporter import export_ranking_model
from presage_featurizer import MICROS, VISITOR, Event, EventType, Item, State
from presage_featurizer.ranking.assembling import Circumstances, context_of
from presage_featurizer.ranking.definition import ranking_definition
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.pairs import PAIR_FEATURES, pair_features
from presage_featurizer.ranking.retrieval import SOURCES, RetrievalLimits
from presage_featurizer.ranking.tables import RankingTables
from presage_featurizer.ranking.workspace import Workspace
from presage_training.ranking.tables import TableBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

ITEMS = 240
VISITORS = 60
START = 1_760_000_000 * MICROS
STEP_MICROS = 20 * MICROS
_CATEGORIES, _BRANDS = 8, 5
_EVENTS_PER_VISITOR = 8
_CANDIDATES = 40


@dataclass(frozen=True)
class Shop:
    """Events of a morning, and what they say of the items."""

    events: list[Event]
    columns: ItemColumns
    tables: RankingTables
    now_unix_micros: int

    def state_of(self, user_id: str) -> State:
        """Return a visitor's state after all events."""
        own = [event for event in self.events if event.user_id == user_id]
        state: State | None = None
        for event in own:
            state = VISITOR.fold(state, event)
        assert state is not None
        return state


def item_id(number: int) -> str:
    return f"item-{number}"


def an_item(number: int) -> Item:
    return Item(
        item_id=item_id(number),
        category=f"category-{number % _CATEGORIES}",
        brand=f"brand-{number % _BRANDS}",
        price_micros=(5 + number) * MICROS,
        quantity=1,
    )


@cache
def a_shop() -> Shop:
    """Make the shop: visitors who look at items of a category or two, and buy some of them."""
    random = np.random.default_rng(11)
    events: list[Event] = []
    for number in range(VISITORS):
        favourite = int(random.integers(_CATEGORIES))
        for step in range(_EVENTS_PER_VISITOR):
            category = favourite if random.random() < 0.8 else int(random.integers(_CATEGORIES))
            chosen = category + _CATEGORIES * int(random.integers(ITEMS // _CATEGORIES))
            kind = random.choice([EventType.VIEW_ITEM] * 6 + [EventType.ADD_TO_CART, EventType.PURCHASE])
            events.append(
                Event(
                    event_id=f"{number}-{step}",
                    type=EventType(int(kind)),
                    user_id=f"visitor-{number}",
                    event_time_unix_micros=START + (step * VISITORS + number) * STEP_MICROS,
                    items=(an_item(chosen),),
                )
            )
    events.sort(key=attrgetter("event_time_unix_micros"))
    columns, builder = ItemColumns(), TableBuilder()
    replay = ItemReplay(columns)
    for event in events:
        replay.add(event, event.event_time_unix_micros)
        builder.add(event)
    now = events[-1].event_time_unix_micros + 120 * MICROS
    replay.close_before(now)
    return Shop(events, columns, builder.build(now), now)


def columns_at(epoch: int) -> ItemColumns:
    """Return the columns of the shop as of an epoch, counted from its events alone."""
    columns = ItemColumns()
    replay = ItemReplay(columns)
    end = (epoch + 1) * columns.bucket_micros
    for event in a_shop().events:
        if event.event_time_unix_micros < end:
            replay.add(event, event.event_time_unix_micros)
    replay.close_before(end)
    return columns


def arrays_of(tables: RankingTables) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(attrgetter(name)(tables)) for name in RankingTables.ARRAYS}


@cache
def _training_rows() -> tuple[NDArray[np.float32], NDArray[np.int64], list[int]]:
    """Rows of each visitor's candidates; wanted are those of the category looked at last, dear, popular and old."""
    shop, random = a_shop(), np.random.default_rng(12)
    features, workspace = ItemFeatures(shop.columns), Workspace()
    tables = shop.tables.bound(shop.columns)
    rows, labels = [], []
    for number in range(VISITORS):
        state = shop.state_of(f"visitor-{number}")
        circumstances = Circumstances(state.last_seen_unix_micros, budget_micros=100 * MICROS)
        context = context_of(state, circumstances, features, tables, workspace)
        candidates = random.permutation(len(shop.columns))[:_CANDIDATES]
        values = pair_features(candidates, context)
        rows.append(values)
        of = {name: values[:, place] for place, name in enumerate(PAIR_FEATURES)}
        wanted = (
            of["same_category"] + (of["own_score"] > 0) + of["views"] / 4 + of["price"] / 200 + of["known_days"] * 4
        )
        labels.append(np.clip(wanted + random.normal(0, 0.5, _CANDIDATES), 0, 3).astype(np.int64))
    return np.concatenate(rows), np.concatenate(labels), [_CANDIDATES] * VISITORS


def write_ranking_bundle(
    models: Path, *, name: str = "ranking", version: str = "1", seed: int = 0, tables: RankingTables | None = None
) -> lightgbm.Booster:
    """Train a ranking model on the shop and write its bundle to <models>/<name>/<version>; returns the original model.

    Args:
        models: The folder.
        name: The model's.
        version: The bundle's.
        seed: Of the training.
        tables: What the bundle has in place of the shop's tables.
    """
    rows, labels, groups = _training_rows()
    booster = lightgbm.train(
        {
            "objective": "lambdarank",
            "num_leaves": 15,
            "min_data_in_leaf": 5,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbose": -1,
            "seed": seed,
        },
        lightgbm.Dataset(rows, labels, group=groups, feature_name=list(PAIR_FEATURES)),
        20,
    )
    shop = a_shop()
    export_ranking_model(
        booster,
        models / name / version,
        rows=rows,
        groups=groups,
        arrays=arrays_of(tables or shop.tables),
        feature_set=FeatureSetSpec(**ranking_definition()),
        ranking=RankingSpec(
            question="next-item",
            bucket_seconds=60,
            limits={field: getattr(RetrievalLimits(), field) for field in RetrievalLimits.__dataclass_fields__},
            sources=SOURCES,
            label_gains=(0.0, 1.0, 3.0, 7.0),
            truncation_level=20,
            candidates_per_query=float(_CANDIDATES),
            groups=(),
            items=0,
        ),
        objective="lambdarank",
    )
    return booster
