"""What customers bought lately."""

from __future__ import annotations

from collections import defaultdict, deque
from heapq import heappop, heappush
from random import Random

from presage_training.simulator.shop import Product

__all__ = ["Trends"]

_REMEMBERED_SALES = 40  # of each category


class Trends:
    """The latest sales of each category. A popular product stands in it several times, which is how popularity builds up."""

    def __init__(self) -> None:
        self._sales: defaultdict[str, deque[Product]] = defaultdict(lambda: deque(maxlen=_REMEMBERED_SALES))
        self._upcoming: list[tuple[int, int, Product]] = []
        self._recorded = 0

    def record(self, product: Product, *, unix_micros: int) -> None:
        """Record a sale that becomes known at ``unix_micros``."""
        heappush(self._upcoming, (unix_micros, self._recorded, product))
        self._recorded += 1

    def advance(self, unix_micros: int) -> None:
        """Make known what was sold up to this moment."""
        while self._upcoming and self._upcoming[0][0] <= unix_micros:
            product = heappop(self._upcoming)[2]
            self._sales[product.item.category].append(product)

    def pick(self, rng: Random, category: str) -> Product | None:
        """Draw one of the category's latest sales; None where nothing was sold yet."""
        sales = self._sales[category]
        return rng.choice(sales) if sales else None
