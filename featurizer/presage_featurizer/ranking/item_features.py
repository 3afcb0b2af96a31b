"""What the ranking model sees of an item, whoever is looking: computed once for each change of an item, not for each visitor."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES
from presage_featurizer.ranking.category_orders import CategoryOrders
from presage_featurizer.ranking.digest_index import IdIndex
from presage_featurizer.ranking.items import COUNTED_TYPES, UNKNOWN, WINDOW_DAYS, ItemColumns
from presage_featurizer.ranking.items_summary import newest_rows
from presage_featurizer.ranking.popular_by_country import PopularByCountry

__all__ = ["CODES", "FAR", "ITEM_FEATURES", "MAX_COLD", "PRIOR_EVENTS", "RATES", "ItemFeatures"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

FAR = 1_000.0
"""The place of what is in no list."""

MAX_COLD = 1_000
"""Candidates of one call that the columns may not know."""

PRIOR_EVENTS = 20.0
"""Events of its category that an item's rates begin with."""

ITEM_FEATURES: dict[str, str] = {
    "price": "its price; 0 if unknown",
    **{f"purchases_{days}_days": f"purchases of it in {days} days" for days in WINDOW_DAYS},
    "purchases": "purchases of it",
    **{f"views_{days}_days": f"views of it in {days} days" for days in WINDOW_DAYS},
    "views": "views of it",
    "carts_7_days": "additions of it to carts in 7 days",
    "popularity_rank": "its place among the most popular items of 7 days; 1,000 if it is none of them",
    "trend": "its purchases and views in 7 days for each in 30 days, smoothed",
}
"""The features that depend on nothing but the item, in their order, with their meanings."""

_VIEW, _CART, _PURCHASE, _SHOWN, _CLICK = range(len(COUNTED_TYPES))
_WEEK, _MONTH, _EVER = 1, 2, 3

RATES = ((_CART, _VIEW), (_PURCHASE, _VIEW), (_CLICK, _SHOWN))
"""The types whose events are divided: additions to carts by views, purchases by views, clicks by times shown."""

_PARTS, _WHOLES = [part for part, _ in RATES], [whole for _, whole in RATES]
_COUNTED = _PARTS + _WHOLES
_WIDTH = len(ITEM_FEATURES) + 2 * len(RATES)
_POPULARITY_RANK = list(ITEM_FEATURES).index("popularity_rank")
_TREND_SMOOTHING = 3.0
_MAX_POPULAR = 200
_POPULARITY_WEIGHTS = np.array(
    [
        int(EVENT_WEIGHTS[kind]) if kind in {EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE} else 0
        for kind in COUNTED_TYPES
    ]
)  # nothing for a list in which the item was shown: Presage itself made that list

CODES = ("category", "brand", "price_band")
"""What items are compared by."""

_KINDS = len(CODES)
_BAND_STEP = 1.5
_FIRST_BAND = 0.01
# Limits of price bands; multiplied, since powers and logarithms differ between machines.
_BANDS = np.multiply.accumulate(np.array([_FIRST_BAND, *[_BAND_STEP] * 80]))
_NEVER = 1 << 62
_ROWS_AT_ONCE = 8_192  # few enough to stay in a cache


class ItemFeatures:
    """Features of all items, and of those that nobody knows.

    Every array has room beyond the items: rows from ``size`` on, and UNKNOWN, are those of an item without counts, so that unknown
    candidates need no case of their own.

    Args:
        items: All items; ``refresh`` must be called after each epoch.
    """

    def __init__(self, items: ItemColumns) -> None:
        self.items = items
        self.index = items.index
        """Rows by the numbers of digests."""
        self._ids = IdIndex()
        self.size = 0
        """How many items there are."""
        self.values = np.zeros((0, _WIDTH), np.float32)
        """By row: ITEM_FEATURES, then the counts of all time that RATES divide, and those that they divide by plus PRIOR_EVENTS."""
        self.codes: Rows = np.zeros((0, _KINDS), np.int64)
        """By row: the codes of category, brand and price band, which no two of them share: 0, 1 and 2 where it is unknown."""
        self.prices: Floats = np.zeros(0)
        self.first_seen_unix_micros: Rows = np.zeros(0, np.int64)
        self.popularity: Rows = np.zeros(0, np.int64)
        """By row: the events of 7 days by their weights."""
        self.popular: Rows = np.zeros(0, np.int64)
        """The most popular items, best first; if fewer than 200 are popular, the newest others follow."""
        self.priors: Floats = np.zeros((1, len(RATES)))
        """By category: RATES of all its items together."""
        self.prior_parts: Floats = np.zeros((_KINDS, len(RATES)))
        """By the code of a category: PRIOR_EVENTS times its rates."""
        self._epoch = UNKNOWN
        self.code_count = _KINDS
        """All codes are below it."""
        self._counts = np.zeros((0, len(COUNTED_TYPES)), np.int32)
        self._category_counts: Rows = np.zeros((1, len(COUNTED_TYPES)), np.int64)
        self.orders = CategoryOrders(self.popularity, self.prices, items.digests)
        self.by_country = PopularByCountry(_POPULARITY_WEIGHTS[: len(COUNTRY_TYPES)], _MAX_POPULAR)
        """The most popular items of each country."""
        self.refresh()

    def refresh(self, items: ItemColumns | None = None) -> None:
        """Compute the features of new and changed items.

        What comes out does not depend on which calls were made before. Little is done again for items that did not change.

        Args:
            items: Columns of a later epoch that take the place of those before, of which they are a fork; None for the same ones.
        """
        if items is not None:
            self.items = items
        before, self.size = self.size, len(self.items)
        if self.size + MAX_COLD >= len(self.values):
            self._grow()
        self.index = self.items.index
        self._ids.add(self.items.ids, self.size)
        changed = np.flatnonzero(self.items.changed_epochs[:before] > self._epoch)
        self._epoch = self.items.epoch
        parts: list[Rows | slice] = [
            changed[first : first + _ROWS_AT_ONCE] for first in range(0, len(changed), _ROWS_AT_ONCE)
        ]
        parts += [
            slice(first, min(first + _ROWS_AT_ONCE, self.size)) for first in range(before, self.size, _ROWS_AT_ONCE)
        ]
        for rows in parts:
            self._compute(rows)
        self._set_priors()
        self._rank_popular()
        self.orders.read(self.popularity[: self.size], self.prices, self.items.digests, self.codes[: self.size])
        self.by_country.read(self.items.countries.sums, self.popularity, self.items.digests)

    def fork(self, items: ItemColumns) -> ItemFeatures:
        """Return the features of a later epoch, while these are read in another thread.

        Args:
            items: Columns of that epoch: a fork of these features' columns.
        """
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(other, name, value.copy())
        other._ids = self._ids.copy()  # noqa: SLF001 - its own class
        other.orders = self.orders.copy()
        other.by_country = self.by_country.copy()
        other.refresh(items)
        return other

    def prepare(self) -> None:
        """Sort now what would be sorted when it is first asked for."""
        self.orders.prepare(self.items.summary.by_category)
        self.by_country.prepare()

    def _compute(self, rows: Rows | slice) -> None:
        items = self.items
        prices = items.prices[rows]
        codes = _codes(items.categories[rows], items.brands[rows], prices)
        sums = items.sums[:, :, rows]
        before = self.codes[rows].copy()
        moved = (before != codes).any(axis=1) | (self.prices[rows] != prices)
        self._count_categories(rows, before[:, 0] // _KINDS, codes[:, 0] // _KINDS, sums[_EVER].T)
        self.codes[rows], self.prices[rows] = codes, prices
        self.first_seen_unix_micros[rows] = items.first_seen_unix_micros[rows]
        self.popularity[rows] = _POPULARITY_WEIGHTS @ sums[_WEEK]
        self.code_count = max(self.code_count, int(codes.max()) + 1)
        self._set_values(rows, prices, sums)
        categories = np.concatenate([before[:, 0], codes[:, 0]]) // _KINDS
        self.orders.forget(categories, categories[np.tile(moved, 2)])

    def codes_of(self, category: str, price: float) -> Rows:
        """Return the codes of an item that has no row, by what is known of it."""
        category_code = self.items.category_code(category)
        if category_code >= len(self.priors):  # of an item that has a row, but no features yet
            category_code = 0
        found: Rows = _codes(np.array([category_code]), np.zeros(1, np.int64), np.array([price]))[0]
        return found

    def rows_of_ids(self, ids: Sequence[str]) -> Rows:
        """Return the rows of items by their ids; UNKNOWN for those that have none."""
        return self._ids.rows_of(ids)

    def _set_values(self, rows: Rows | slice, prices: Floats, sums: NDArray[np.int32]) -> None:
        values = np.empty((len(prices), _WIDTH), np.float32)
        month = sums[_MONTH, _PURCHASE] + sums[_MONTH, _VIEW]
        trend = (sums[_WEEK, _PURCHASE] + sums[_WEEK, _VIEW]) / (month + _TREND_SMOOTHING)
        columns = [prices, *sums[:, _PURCHASE], *sums[:, _VIEW], sums[_WEEK, _CART], FAR, trend, *sums[_EVER, _COUNTED]]
        for place, column in enumerate(columns):
            values[:, place] = column
        values[:, -len(RATES) :] += np.float32(PRIOR_EVENTS)
        self.values[rows] = values

    def _count_categories(self, rows: Rows | slice, before: Rows, after: Rows, counts: Rows) -> None:
        size = max(len(self._category_counts), int(after.max()) + 1)
        totals = np.zeros((size, len(COUNTED_TYPES)), np.int64)
        totals[: len(self._category_counts)] = self._category_counts
        old = self._counts[rows]
        for place in range(len(COUNTED_TYPES)):  # sums of integers, which a double holds exactly
            totals[:, place] += np.bincount(after, counts[:, place], size).astype(np.int64)
            totals[:, place] -= np.bincount(before, old[:, place], size).astype(np.int64)
        self._counts[rows] = counts
        self._category_counts = totals

    def _set_priors(self) -> None:
        totals = self._category_counts
        self.priors = totals[:, _PARTS] / np.maximum(1, totals[:, _WHOLES])
        self.prior_parts = np.repeat(PRIOR_EVENTS * self.priors, _KINDS, axis=0)

    def _rank_popular(self) -> None:
        self.values[self.popular, _POPULARITY_RANK] = FAR
        popularity, digests = self.popularity[: self.size], self.items.digests
        least = 1
        if self.size > _MAX_POPULAR:  # sorting all would take ten times as long
            least = max(least, int(np.partition(popularity, -_MAX_POPULAR)[-_MAX_POPULAR]))
        best = np.flatnonzero(popularity >= least)
        best = best[np.lexsort((digests[best], -popularity[best]))[:_MAX_POPULAR]]
        self.values[best, _POPULARITY_RANK] = np.arange(len(best))
        if (missing := _MAX_POPULAR - len(best)) > 0:
            others = np.flatnonzero(popularity == 0)
            best = np.append(best, newest_rows(others, self.first_seen_unix_micros, digests, missing))
        self.popular = best

    def _grow(self) -> None:
        more = self.size + MAX_COLD + 1 + self.size // 8 - len(self.values)
        unknown = np.zeros((more, _WIDTH), np.float32)
        unknown[:, _POPULARITY_RANK] = FAR
        unknown[:, -len(RATES) :] = PRIOR_EVENTS
        self.values = np.concatenate([self.values, unknown])
        self.codes = np.concatenate([self.codes, np.tile(np.arange(_KINDS), (more, 1))])
        self.prices = np.append(self.prices, np.zeros(more))
        self.first_seen_unix_micros = np.append(self.first_seen_unix_micros, np.full(more, _NEVER))
        self.popularity = np.append(self.popularity, np.zeros(more, np.int64))
        self._counts = np.concatenate([self._counts, np.zeros((more, len(COUNTED_TYPES)), np.int32)])


def _codes(categories: Rows, brands: Rows, prices: Floats) -> Rows:
    bands = np.where(prices > 0.0, np.searchsorted(_BANDS, prices, side="right") + 1, 0)
    codes: Rows = np.stack([categories, brands, bands], axis=1) * _KINDS + np.arange(_KINDS)
    return codes


assert UNKNOWN == -1, "the last element of each array"
