"""Items as columns: what ranking knows of each, and how often it was viewed, put into carts and bought.

Counts are integers by bucket of time, so that neither the order of events nor how they are spread over processes can matter: sums
of integers commute. Only closed buckets are read; one that is closed never changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import product_digest
from presage_featurizer.events import MICROS, EventType, Item

__all__ = ["COUNTED_TYPES", "UNKNOWN", "WINDOW_DAYS", "Groups", "ItemColumns", "Summary"]

Rows = NDArray[np.int64]
"""Row numbers of items."""

UNKNOWN = -1
"""The row of an item that has none."""

COUNTED_TYPES = (
    EventType.VIEW_ITEM,
    EventType.ADD_TO_CART,
    EventType.PURCHASE,
    EventType.VIEW_ITEM_LIST,
    EventType.SELECT_ITEM,
)
"""The event types that are counted of each item, in the order of the columns."""

WINDOW_DAYS = (1, 7, 30)
"""The windows that the counts are summed over, besides all time."""

_POPULARITY_WEIGHTS = (
    2,
    6,
    10,
    0,
    0,
)  # those of ``habits.EVENT_WEIGHTS``, and nothing for a list in which the item was shown
_POPULARITY_WINDOW = 1
_HOUR_MICROS = 3_600 * MICROS
_DAY_HOURS = 24
_MAX_POPULAR = 200
_PLACES = {int(kind): place for place, kind in enumerate(COUNTED_TYPES)}


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows ordered within groups, such as the items of each category by price."""

    order: Rows
    """All rows, those of one group side by side."""
    starts: Rows
    """Where each group begins, and the end of the last one."""

    @classmethod
    def of(cls, codes: NDArray[np.int64], *keys: NDArray[np.generic]) -> Groups:
        """Group rows by their codes, from 0, in ascending order of the keys, the first one most significant."""
        order = np.lexsort((*reversed(keys), codes))
        starts = np.searchsorted(codes[order], np.arange(int(codes.max(initial=-1)) + 2))
        return cls(order, starts)

    def __getitem__(self, code: int) -> Rows:
        """Return the rows of a group; none for a code that no row has."""
        if not 0 <= code < len(self.starts) - 1:
            return self.order[:0]
        return self.order[self.starts[code] : self.starts[code + 1]]


class ItemColumns:
    """All known items, one row each.

    Args:
        bucket_micros: The width of a bucket of time; a divisor of an hour.
    """

    def __init__(self, bucket_micros: int = 60 * MICROS) -> None:
        self.bucket_micros = bucket_micros
        self.ids: list[str] = []
        self.rows: dict[int, int] = {}
        """The row of each item by the number of its digest."""
        self.digests = np.zeros(0, np.uint64)
        """The number of each item's digest: the last key where others tie, since it says nothing of the item."""
        self.prices = np.zeros(0)
        """The newest known price, in units of the shop's currency; 0 if unknown."""
        self.categories = np.zeros(0, np.int64)
        """Codes of the newest known categories; 0 if unknown."""
        self.brands = np.zeros(0, np.int64)
        self.first_seen_unix_micros = np.zeros(0, np.int64)
        self.sums = np.zeros((len(WINDOW_DAYS) + 1, len(COUNTED_TYPES), 0), np.int64)
        """Events by window (the last one: all time), type and row, in closed buckets."""
        self._codes: dict[str, dict[str, int]] = {"category": {"": 0}, "brand": {"": 0}}
        self._used = 0
        self._bucket = UNKNOWN
        self._open: Counter[tuple[int, int]] = Counter()
        """Counts of the open bucket by row and place of the type."""
        self._hours: dict[int, Counter[tuple[int, int]]] = {}
        """Counts of closed buckets by hour, as long as any window has them."""
        self._first_hours = [0] * len(WINDOW_DAYS)
        """The hour that each window begins with."""
        self._summary: Summary | None = None

    def __len__(self) -> int:
        return self._used

    def add_event(self, kind: EventType, items: Sequence[Item], unix_micros: int) -> None:
        """Count an event's items, in the bucket of its time, and take over what it says about them.

        Buckets before that one are closed. An event of a closed bucket is counted in the open one: a closed bucket never changes.
        """
        self.close_before(unix_micros)
        place = _PLACES.get(int(kind))
        for item in items:
            row = self.put(item, unix_micros)
            if place is not None:
                self._open[row, place] += 1

    def put(self, item: Item, unix_micros: int) -> int:
        """Add an item, or take over what is known of it now; return its row."""
        number = int.from_bytes(product_digest(item.item_id), "little")
        row = self.rows.get(number)
        if row is None:
            row = self.rows[number] = self._used
            self._used += 1
            if row >= len(self.digests):
                self._grow()
            self.ids.append(item.item_id)
            self.digests[row] = number
            self.first_seen_unix_micros[row] = unix_micros
        if item.price_micros:
            self.prices[row] = item.price_micros / MICROS
        if item.category:
            self.categories[row] = self._code("category", item.category)
        if item.brand:
            self.brands[row] = self._code("brand", item.brand)
        return row

    def rows_of(self, digests: Iterable[int]) -> Rows:
        """Return the rows of items by the numbers of their digests; UNKNOWN for those that have none."""
        get = self.rows.get
        return np.array([get(number, UNKNOWN) for number in digests], np.int64)

    def close_before(self, unix_micros: int) -> None:
        """Close all buckets that end at or before a moment."""
        bucket = unix_micros // self.bucket_micros
        if bucket <= self._bucket:
            return
        if self._open:
            self._add(self._open, 1, range(len(WINDOW_DAYS) + 1))
            self._hours.setdefault(self._bucket * self.bucket_micros // _HOUR_MICROS, Counter()).update(self._open)
            self._open = Counter()
        self._bucket = bucket
        self._expire(bucket * self.bucket_micros // _HOUR_MICROS)
        self._summary = None

    @property
    def summary(self) -> Summary:
        """What the closed buckets and the newest descriptions say about all items together."""
        if self._summary is None:
            self._summary = Summary.of(self)
        return self._summary

    def _add(self, counts: Counter[tuple[int, int]], sign: int, windows: Sequence[int]) -> None:
        keys = np.array(list(counts), np.int64)
        amounts = sign * np.array(list(counts.values()), np.int64)
        for window in windows:
            self.sums[window, keys[:, 1], keys[:, 0]] += amounts

    def _expire(self, hour: int) -> None:
        for window, days in enumerate(WINDOW_DAYS):
            first = hour - days * _DAY_HOURS
            for expired in [known for known in self._hours if self._first_hours[window] <= known < first]:
                self._add(self._hours[expired], -1, (window,))
            self._first_hours[window] = max(first, self._first_hours[window])
        for expired in [known for known in self._hours if known < self._first_hours[-1]]:
            del self._hours[expired]

    def _grow(self) -> None:
        more = max(1_024, len(self.digests) // 2)
        for name in ("digests", "prices", "categories", "brands", "first_seen_unix_micros"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))
        self.sums = np.concatenate([self.sums, np.zeros((*self.sums.shape[:2], more), np.int64)], axis=2)

    def _code(self, kind: str, name: str) -> int:
        codes = self._codes[kind]
        return codes.setdefault(name, len(codes))


@dataclass(frozen=True, slots=True)
class Summary:
    """Orders of all items, and the rates of categories."""

    popular: Rows
    """The most popular items, best first, by the events of the last 7 days and their weights."""
    by_category: Groups
    """The items of each category, the most popular first."""
    by_price: Groups
    """The items of each category, the cheapest first."""
    pairs: NDArray[np.int64]
    """The code of each row's category and brand together."""
    by_pair: Groups
    """The items of each of these, the most popular first."""
    category_counts: NDArray[np.int64]
    """Events of all time by type and category, as the prior of an item's rates."""

    @classmethod
    def of(cls, items: ItemColumns) -> Summary:
        size = len(items)
        popularity = np.array(_POPULARITY_WEIGHTS) @ items.sums[_POPULARITY_WINDOW, :, :size]
        digests, prices = items.digests[:size], items.prices[:size]
        categories, brands = items.categories[:size], items.brands[:size]
        best = np.lexsort((digests, -popularity))[:_MAX_POPULAR]
        pairs = np.unique(categories * (int(brands.max(initial=0)) + 1) + brands, return_inverse=True)[1]
        counts = [
            np.bincount(categories, of_type, int(categories.max(initial=0)) + 1) for of_type in items.sums[-1, :, :size]
        ]
        return cls(
            best[popularity[best] > 0],
            Groups.of(categories, -popularity, digests),
            Groups.of(categories, prices, digests),
            pairs,
            Groups.of(pairs, -popularity, digests),
            np.stack(counts).astype(np.int64),
        )
