"""Shops of a few items with tables drawn at random, for what must hold of any of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from presage_featurizer import MICROS, VISITOR, Event, EventType, Item, State, current_session
from presage_featurizer.digests import product_digest
from presage_featurizer.ranking.context import RankingContext
from presage_featurizer.ranking.interests import Interests
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import UNKNOWN, ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.tables import Neighbours, RankingTables, Sessions
from presage_featurizer.ranking.workspace import Workspace

NOW = 1_700_000_000 * MICROS
HOUR = 3_600 * MICROS
COUNTRIES = ("", "DE", "FR")
"""Those of an item's events, by its number modulo 7: items of all three are about as popular."""


def number_of(item_id: str) -> int:
    return int.from_bytes(product_digest(item_id), "little")


def an_item(number: int) -> Item:
    """Make an item; of every seven, one has no category, one no brand and one no price."""
    return Item(
        f"item-{number}",
        "" if number % 7 == 0 else f"category-{number % 3}",
        "" if number % 7 == 1 else f"brand-{number % 4}",
        0 if number % 7 == 2 else (1 + number % 11) * MICROS,
    )


@dataclass(frozen=True, repr=False, eq=False)
class SmallShop:
    columns: ItemColumns
    features: ItemFeatures
    tables: RankingTables

    def context(self, state: State | None, now: int = NOW, **circumstances) -> RankingContext:
        session = None if state is None else current_session(state, now, "")
        interests = Interests(state, session, self.features, now)
        return RankingContext(interests, self.features, self.tables, now, workspace=Workspace(), **circumstances)

    def row(self, number: int) -> int:
        return int(self.columns.rows_of([number_of(f"item-{number}")])[0])


def small_shop(seed: int = 1, items: int = 40, neighbours: int = 5, sessions: int = 30, longest: int = 5) -> SmallShop:
    """Make a shop of which the tables lack the newest quarter of the items, and have one that the shop lacks."""
    random = np.random.default_rng(seed)
    columns = ItemColumns()
    replay = ItemReplay(columns)
    for kind, hours in (
        (EventType.VIEW_ITEM, 900),
        (EventType.VIEW_ITEM, 30),
        (EventType.ADD_TO_CART, 20),
        (EventType.PURCHASE, 5),
    ):
        time = NOW - hours * HOUR
        shown = random.permutation(items)[: items if hours == 900 else items // 2].tolist()
        for number in shown:
            country = COUNTRIES[number % 7 % len(COUNTRIES)]
            replay.add(Event("", kind, "somebody", time, items=(an_item(number),), country=country), time)
    replay.close_before(NOW)
    known = max(0, items * 3 // 4)
    digests = np.array([number_of("gone"), *map(number_of, (f"item-{number}" for number in range(known)))], np.uint64)
    tables = random_tables(random, digests, neighbours, sessions, longest).bound(columns)
    return SmallShop(columns, ItemFeatures(columns), tables)


def random_tables(
    random: np.random.Generator, digests, neighbours: int, sessions: int, longest: int = 5
) -> RankingTables:
    size = len(digests)

    def nearest() -> Neighbours:
        rows = np.argsort(random.random((size, size)), axis=1)[:, :neighbours].astype(np.int32)
        weights = random.random(rows.shape, np.float32)
        is_missing = random.random(rows.shape) < 0.2
        return Neighbours(
            np.where(is_missing, UNKNOWN, rows).astype(np.int32), np.where(is_missing, 0, weights).astype(np.float32)
        )

    members = [random.permutation(size)[: random.integers(1, longest + 1)] for _ in range(sessions)]
    starts = np.append(0, np.cumsum([len(rows) for rows in members]))
    of_items: list[list[int]] = [[] for _ in range(size)]
    for place in range(sessions - 1, -1, -1):
        for row in members[place].tolist():
            of_items[row].append(place)
    item_starts = np.append(0, np.cumsum([len(found) for found in of_items]))
    nothing = np.zeros(0, np.int64)
    return RankingTables(
        digests, nearest(), nearest(), nearest(),
        Sessions(
            starts.astype(np.int32),
            np.concatenate([*members, nothing]).astype(np.int32),
            item_starts.astype(np.int32),
            np.array([place for found in of_items for place in found], np.int32),
        ),
        random.random(size, np.float32), nothing, nothing,
    )  # fmt: skip


def a_visitor(
    steps: list[tuple[int, EventType]], every_seconds: int = 60, now: int = NOW, country: str = ""
) -> State | None:
    """Fold events of numbered items; the newest is a minute before ``now``, unless there are none."""
    state = None
    for place, (number, kind) in enumerate(steps):
        time = now - (len(steps) - place) * every_seconds * MICROS
        state = VISITOR.fold(
            state, Event(f"e{place}", kind, "visitor", time, items=(an_item(number),), country=country)
        )
    return state
