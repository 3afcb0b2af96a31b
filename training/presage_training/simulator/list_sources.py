"""Sources of lists to compare a ranking model with: at random, and what is popular."""

from __future__ import annotations

from collections import Counter, deque
from random import Random

from presage_featurizer.events import Event, EventType
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.simulator.rhythm import DAY_MICROS
from presage_training.simulator.shop import Shop
from presage_training.simulator.streams import random_stream

__all__ = ["PopularLists", "RandomLists"]

_COUNTED = {EventType.VIEW_ITEM: 1, EventType.ADD_TO_CART: 3, EventType.PURCHASE: 5}


class RandomLists:
    """Products drawn at random, the same for the same seed: what the shop can learn most from.

    Args:
        shop: Whose products.
        seed: For the draws.
    """

    def __init__(self, shop: Shop, *, seed: int) -> None:
        self._item_ids = sorted(shop.by_id)
        self._random: Random = random_stream(seed, "lists")
        self._made = 0

    def add(self, event: Event) -> None:
        """Chance takes notice of nothing."""

    def rank(self, request: ListRequest) -> ItemList:
        """Draw a list."""
        self._made += 1
        drawn = self._random.sample(self._item_ids, min(request.k, len(self._item_ids)))
        propensity = 1.0 / len(self._item_ids)  # of each place, whatever the other places have
        return ItemList([ListedItem(item_id, propensity) for item_id in drawn], f"random-{self._made}")


class PopularLists:
    """The same for everyone: the products that were looked at and bought most in the last seven days.

    Args:
        shop: Whose products; those that nobody looked at come last, by id.
        days: How long views and orders count.
    """

    def __init__(self, shop: Shop, *, days: float = 7.0) -> None:
        self._item_ids = sorted(shop.by_id)
        self._counts: Counter[str] = Counter()
        self._counted: deque[tuple[int, str, int]] = deque()
        self._kept_micros = int(days * DAY_MICROS)
        self._made = 0

    def add(self, event: Event) -> None:
        """Count an event's products."""
        if weight := _COUNTED.get(event.type):
            for item in event.items:
                self._counts[item.item_id] += weight
                self._counted.append((event.event_time_unix_micros, item.item_id, weight))

    def rank(self, request: ListRequest) -> ItemList:
        """List the most popular products."""
        self._made += 1
        while self._counted and self._counted[0][0] < request.unix_micros - self._kept_micros:
            _, item_id, weight = self._counted.popleft()
            self._counts[item_id] -= weight
        best = sorted(self._item_ids, key=lambda item_id: (-self._counts[item_id], item_id))[: request.k]
        return ItemList([ListedItem(item_id) for item_id in best], f"popular-{self._made}")
