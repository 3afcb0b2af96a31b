"""Items with prices, stock and counts, for tests of the rules that arrange them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS, Event, EventType, Item
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.placements import Scored

DAY_MICROS = 86_400 * MICROS
OPENED = 1_790_000_000 * MICROS
NOW = OPENED + 100 * DAY_MICROS


@dataclass(frozen=True)
class Good:
    """One item, as a test describes it."""

    category: str = ""
    brand: str = ""
    price: int = 0
    stock: int = -1
    blocked: bool = False
    age_days: int = 100
    shows: int = 0
    clicks: int = 0
    views: int = 0


class Shelf:
    """Columns with what holds now. Their rows have another order than the goods, whose ids are `item-<place>`."""

    def __init__(self, goods: Sequence[Good]) -> None:
        self.items = ItemColumns()
        self.goods = goods
        replay = ItemReplay(self.items)
        for place, good in enumerate(goods):
            change = CatalogueChange(
                f"item-{place}",
                price_micros=good.price * MICROS,
                category=good.category,
                brand=good.brand,
                stock=None if good.stock < 0 else good.stock,
                blocked=good.blocked,
                first_seen_unix_micros=NOW - good.age_days * DAY_MICROS,
            )
            replay.add_change(change, NOW - DAY_MICROS, sequence=place)
        for place, good in enumerate(goods):
            for kind, times in (
                (EventType.VIEW_ITEM_LIST, good.shows),
                (EventType.SELECT_ITEM, good.clicks),
                (EventType.VIEW_ITEM, good.views),
            ):
                shown = (Item(f"item-{place}"),) * times
                replay.add(Event("", kind, "visitor", NOW - DAY_MICROS, items=shown), NOW - DAY_MICROS)
        replay.close_before(NOW)
        numbers = [item_number(f"item-{place}") for place in range(len(goods))]
        self.digests = np.array(numbers, np.uint64)
        self.rows = self.items.rows_of(numbers)

    def __len__(self) -> int:
        return len(self.goods)

    def places_of(self, rows: NDArray[np.int64]) -> list[int]:
        """Return the places of goods by their rows."""
        return [self.rows.tolist().index(row) for row in rows.tolist()]

    def scored(self, scores: Sequence[float] | None = None, cold: int = 0) -> Scored:
        """Return all goods as candidates, and some items that the columns do not have; by default in their order."""
        size = len(self) + cold
        rows = np.concatenate([self.rows, np.arange(len(self.items), len(self.items) + cold)])
        digests = np.concatenate([self.digests, np.arange(1, cold + 1, dtype=np.uint64)])
        values = -np.arange(size, dtype=np.float64) if scores is None else np.array(scores, np.float64)
        return Scored(rows, digests, values, np.zeros(size, np.uint8))
