"""A shop with many items, and a log of its visitors: drawn at random from a seed, so the same on every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import MICROS, Event, EventType, Item

__all__ = ["Shop", "item_id"]

Numbers = NDArray[np.int64]

_CATEGORY_ITEMS = 500
_BRANDS = 97
_DAYS = 2
_SESSIONS = 6
_LEAST_EVENTS, _MOST_EVENTS = 8, 28
_TASTES = 3
_REVISITS, _CARTS, _PURCHASES = 0.25, 0.12, 0.03
"""Shares of events: of an item that the visitor had before, and of these types."""
_POPULARITY_POWER = 3
"""Of an even number from 0 to 1, which makes the first items of a category the most popular ones."""
_GAP_SECONDS = 40
_COMPARED = 4
"""Items that a visitor chooses one of."""


def item_id(number: int) -> str:
    """Name an item."""
    return f"item-{number:07d}"


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Items in categories of about 500, and visitors who look at a few of these."""

    items: int
    visitors: int
    end_unix_micros: int
    """The last sessions are a few minutes before this, the first ones two days."""
    seed: int = 1

    @cached_property
    def prices(self) -> NDArray[np.float64]:
        """The price of each item, with two decimals."""
        drawn = np.random.default_rng(self.seed).lognormal(3.0, 1.0, self.items)
        return np.maximum(0.5, np.round(drawn, 2))

    @property
    def categories(self) -> int:
        """How many there are."""
        return max(1, self.items // _CATEGORY_ITEMS)

    @cached_property
    def category_codes(self) -> Numbers:
        """The number of each item's category."""
        return np.arange(self.items) % self.categories

    @cached_property
    def brand_codes(self) -> Numbers:
        """The number of each item's brand."""
        return np.arange(self.items) % _BRANDS

    def item(self, number: int) -> Item:
        """Describe an item as events do."""
        price_micros = round(float(self.prices[number]) * 100) * (MICROS // 100)
        category, brand = int(self.category_codes[number]), int(self.brand_codes[number])
        return Item(item_id(number), f"category-{category}", f"brand-{brand}", price_micros)

    def events(self) -> list[Event]:
        """Return all events, in the order of time."""
        described = [self.item(number) for number in range(self.items)]
        found = [event for visitor in range(self.visitors) for event in self._events_of(visitor, described)]
        return sorted(found, key=lambda event: (event.event_time_unix_micros, event.event_id))

    def user_id(self, visitor: int) -> str:
        """Name a visitor."""
        return f"shopper-{visitor:06d}"

    def draw(self, random: np.random.Generator, categories: Numbers) -> Numbers:
        """Draw an item of each category; the first ones of a category are drawn more often."""
        sizes = (self.items - categories + self.categories - 1) // self.categories
        places = (sizes * random.random(len(categories)) ** _POPULARITY_POWER).astype(np.int64)
        return categories + places * self.categories

    def candidates(self, random: np.random.Generator, own: Sequence[int], count: int) -> list[int]:
        """Draw items to rank for a visitor, in any order: a quarter their own, then some like these, then others."""
        known = random.permutation(list(dict.fromkeys(own)))[: count // 4]
        alike = self.draw(random, np.repeat(known % self.categories, 2))
        others = random.permutation(self.items)[:count]
        found = list(dict.fromkeys(np.concatenate([known, alike, others]).tolist()))[:count]
        return [int(number) for number in random.permutation(found)]

    def _affordable(self, random: np.random.Generator, category: int, count: int, budget: float) -> Numbers:
        """Draw items of a category: of some popular ones, those whose prices are the nearest to what a visitor likes to spend."""
        drawn = self.draw(random, np.full(count * _COMPARED, category)).reshape(count, _COMPARED)
        nearest = np.abs(np.log(self.prices[drawn] / budget)).argmin(axis=1)
        return np.asarray(drawn[np.arange(count), nearest])

    def _events_of(self, visitor: int, described: list[Item]) -> Iterator[Event]:
        random = np.random.default_rng((self.seed, visitor))
        tastes = random.integers(self.categories, size=_TASTES)
        budget = random.choice(self.prices)
        before: list[int] = []
        for session in range(_SESSIONS):
            count = int(random.integers(_LEAST_EVENTS, _MOST_EVENTS + 1))
            taste = tastes[random.integers(_TASTES)]
            drawn = self._affordable(random, taste, count, budget).tolist()
            lots, places = random.random((2, count)).tolist(), random.random(count).tolist()
            end = self.end_unix_micros - int(random.integers(60, 600)) * MICROS
            end -= (_SESSIONS - 1 - session) * (_DAYS * 86_400 // _SESSIONS) * MICROS
            for number, (item, revisit, lot, place) in enumerate(zip(drawn, *lots, places, strict=True)):
                chosen = before[int(place * len(before))] if before and revisit < _REVISITS else item
                before.append(chosen)
                yield Event(
                    event_id=f"{visitor}-{session}-{number}",
                    type=_type(lot),
                    user_id=self.user_id(visitor),
                    event_time_unix_micros=end - (count - number) * _GAP_SECONDS * MICROS,
                    items=(described[chosen],),
                    country="GB",
                )


def _type(lot: float) -> EventType:
    if lot < _PURCHASES:
        return EventType.PURCHASE
    return EventType.ADD_TO_CART if lot < _PURCHASES + _CARTS else EventType.VIEW_ITEM
