"""Items with prices, stock and counts, for tests of the rules that arrange them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from presage_featurizer.events import MICROS, EventType, Item
from presage_featurizer.ranking.items import ItemColumns
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


class Shelf(ItemColumns):
    """Columns with what holds now; rows are in the order of the goods, whose ids are `item-<row>`."""

    def __init__(self, goods: Sequence[Good]) -> None:
        super().__init__()
        for row, good in enumerate(goods):
            described = Item(f"item-{row}", category=good.category, brand=good.brand, price_micros=good.price * MICROS)
            self.put(described, NOW - good.age_days * DAY_MICROS)
        for row, good in enumerate(goods):
            for kind, times in (
                (EventType.VIEW_ITEM_LIST, good.shows),
                (EventType.SELECT_ITEM, good.clicks),
                (EventType.VIEW_ITEM, good.views),
            ):
                if times:
                    self.add_event(kind, [Item(f"item-{row}")] * times, NOW - DAY_MICROS)
        self.close_before(NOW)
        size = len(self.digests)
        self.epoch = NOW // self.bucket_micros - 1
        self.live_prices = self.prices.copy()
        self.stock = np.full(size, -1)
        self.stock[: len(goods)] = [good.stock for good in goods]
        self.blocked = np.zeros(size, bool)
        self.blocked[: len(goods)] = [good.blocked for good in goods]

    def scored(self, scores: Sequence[float] | None = None, cold: int = 0) -> Scored:
        """Return all items as candidates, and some that the columns do not have; by default in the order of the rows."""
        size = len(self) + cold
        digests = np.concatenate([self.digests[: len(self)], np.arange(1, cold + 1, dtype=np.uint64)])
        values = -np.arange(size, dtype=np.float64) if scores is None else np.array(scores, np.float64)
        return Scored(np.arange(size), digests, values, np.zeros(size, np.uint8))
