"""Items as columns: what ranking knows of each, and how often it was viewed, put into carts and bought.

Counts are integers by bucket of time, so that neither the order of events nor how they are spread over processes can matter: sums
of integers commute. Only closed buckets are read; one that is closed never changes. What rules use is live instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.events import MICROS
from presage_featurizer.ranking.digest_index import UNKNOWN, DigestIndex
from presage_featurizer.ranking.items_bucket import COUNTED_TYPES, ItemBucket, Said
from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.items_countries import CountryWindow
from presage_featurizer.ranking.items_live import LiveColumns, LiveValues
from presage_featurizer.ranking.items_summary import Groups, Summary
from presage_featurizer.ranking.items_windows import WINDOW_DAYS, Windows

__all__ = ["COUNTED_TYPES", "UNKNOWN", "WINDOW_DAYS", "Groups", "ItemColumns", "Summary"]

Rows = NDArray[np.int64]
"""Row numbers of items."""

_HOUR_MICROS = 3_600 * MICROS
_COLUMNS = ("digests", "prices", "categories", "brands", "first_seen_unix_micros", "said")
_MIN_ROWS = 1_024
_ROWS_PER_STEP = 20_000
"""Ids that are taken over at once."""


class ItemColumns:
    """All items that closed buckets name, one row each, in the order of the buckets and in them of the digests.

    Args:
        bucket_micros: The width of a bucket of time; a divisor of an hour.
    """

    def __init__(self, bucket_micros: int = 60 * MICROS) -> None:
        if bucket_micros <= 0 or _HOUR_MICROS % bucket_micros:
            raise ValueError(f"bucket_micros: expected a divisor of an hour, got {bucket_micros}")
        self.bucket_micros = bucket_micros
        self.epoch = UNKNOWN
        """The newest bucket that was applied."""
        self.ids: list[str] = []
        """By row. Shared by the columns of successive epochs: it may be longer than these are."""
        self.index = DigestIndex()
        """The row of each item by the number of its digest."""
        self.digests = np.zeros(0, np.uint64)
        """The number of each item's digest: the last key where others tie, since it says nothing of the item."""
        self.prices = np.zeros(0)
        """The price as of the epoch, in units of the shop's currency; 0 if unknown."""
        self.categories = np.zeros(0, np.int64)
        """Codes of the categories as of the epoch; 0 if unknown."""
        self.brands = np.zeros(0, np.int64)
        """Codes of the brands as of the epoch; 0 if unknown."""
        self.first_seen_unix_micros = np.zeros(0, np.int64)
        """Since when each item has been there, as the catalogue says, or else when it was first named."""
        self.said = np.zeros(0, np.uint8)
        """Which of these the catalogue gave: bits of ``Said``."""
        self.changed_epochs = np.zeros(0, np.int64)
        """The bucket that each row's counts or description changed with last, as far as this process applied it."""
        self.windows = Windows()
        self.countries = CountryWindow()
        """The part of 7 days' counts that events of each country have."""
        self.live = LiveColumns(self.index)
        self.codes: dict[str, dict[str, int]] = {"category": {"": 0}, "brand": {"": 0}}
        self._used = 0
        self._owns_index = True
        self._changed: list[Rows] = []
        """Rows of staged buckets, whose live prices may follow."""
        self._summary: Summary | None = None

    def __len__(self) -> int:
        return self._used

    @property
    def sums(self) -> NDArray[np.int32]:
        """Events by window (the last one: all time), type and row, in closed buckets."""
        return self.windows.sums

    @property
    def live_prices(self) -> NDArray[np.float64]:
        """The newest price of each row, for rules; 0 if unknown."""
        return self.live.prices

    @property
    def stock(self) -> NDArray[np.int64]:
        """Units in stock by the newest change, of each row; -1 if unknown."""
        return self.live.stock

    @property
    def blocked(self) -> NDArray[np.bool_]:
        """Whether each row must not be shown, by the newest change."""
        return self.live.blocked

    @property
    def tags(self) -> list[tuple[str, ...]]:
        """The tags of each row, by the newest change."""
        return self.live.tags

    @property
    def summary(self) -> Summary:
        """What the closed buckets say about all items together."""
        if self._summary is None:
            self._summary = Summary.of(self)
        return self._summary

    def rows_of(self, digests: Iterable[int]) -> Rows:
        """Return the rows of items by the numbers of their digests; UNKNOWN for those that have none."""
        return self.index.rows_of(np.fromiter(digests, np.uint64))

    def continues(self, other: ItemColumns) -> bool:
        """Return whether each row of the other columns is the same item here: both are of one store, at epochs of their own."""
        return self.ids is other.ids

    def category_code(self, name: str) -> int:
        """Return the code of a category; 0 if no item has it."""
        return self.codes["category"].get(name, 0)

    def brand_code(self, name: str) -> int:
        """Return the code of a brand; 0 if no item has it."""
        return self.codes["brand"].get(name, 0)

    def live_values(self, rows: Rows, digests: Sequence[int] | NDArray[np.uint64]) -> LiveValues:
        """Return what rules use of some items, also of those that have no row yet.

        Args:
            rows: Of the items; UNKNOWN, or ``len(self)`` and more, for those that have none.
            digests: The numbers of their digests.
        """
        return self.live.of(rows, digests, self._used)

    def apply_change(self, change: CatalogueChange) -> None:
        """Apply the newest change of the catalogue to the live values, and to nothing else."""
        self.apply_changes((change,))

    def apply_changes(self, changes: Collection[CatalogueChange]) -> None:
        """Apply changes of the catalogue in their order, as ``apply_change``."""
        numbers = [item_number(change.item_id) for change in changes]
        for change, number, row in zip(changes, numbers, self.rows_of(numbers).tolist(), strict=True):
            self.live.apply(change, number, row, self.prices)

    def apply(self, *bucket: ItemBucket) -> None:
        """Apply the next closed bucket, whole or in its parts. Buckets in between are empty.

        Raises:
            ValueError: It is not later than the epoch.
        """
        self.stage(*bucket)
        self.settle()

    def fork(self) -> ItemColumns:
        """Return columns on which buckets can be staged in another thread, while these are read.

        Their live values are those of these columns: they know nothing of new items until ``settle`` was called. After that, no
        bucket may be staged on these columns.
        """
        self._owns_index = False
        other = copy(self)
        other._own()  # noqa: SLF001 - its own class
        return other

    def stage(self, *bucket: ItemBucket) -> None:
        """Do all of ``apply`` but for live values, so that readers of other forks see nothing; ``settle`` does the rest."""
        number = bucket[0].number
        if number <= self.epoch:
            raise ValueError(f"bucket: expected one after {self.epoch}, got {number}")
        self._reserve(
            self._used + sum(int(np.count_nonzero(self.index.rows_of(part.digests) == UNKNOWN)) for part in bucket)
        )
        self.countries.begin(number * self.bucket_micros // _HOUR_MICROS, [part.countries for part in bucket])
        for part in bucket:
            self._stage(part)
        self.epoch = number
        self._summary = None

    def settle(self) -> None:
        """Give new items their live values, and live prices to those that the catalogue gave none."""
        for _ in self.settling():
            pass

    def settling(self) -> Iterator[None]:
        """Do what ``settle`` does in steps that take about a millisecond at most.

        Changes may be applied to these columns in between. What is read of live values by other forks stays right at any moment,
        also from another thread.
        """
        live = self.live
        live.grow(self._used, self.index)
        yield
        for rows in self._changed:
            for start in range(0, len(rows), _ROWS_PER_STEP):
                piece = rows[start : start + _ROWS_PER_STEP]
                live.take_known_prices(piece, self.prices[piece])
                yield
        yield from live.taking(self.digests[: self._used], self.prices)
        self._changed = []

    def fingerprint(self) -> str:
        """Return a digest, in hex, of everything that features can depend on: equal if the columns are equal byte for byte."""
        found = blake2b(f"{self.bucket_micros} {self.epoch} {self._used} {self.windows.first_hours}".encode())
        for texts in (self.ids[: self._used], *self.codes.values()):
            for text in texts:
                found.update(f"{len(text)} {text}".encode())
        for name in _COLUMNS:
            found.update(getattr(self, name)[: self._used].tobytes())
        found.update(self.sums[:, :, : self._used].tobytes())
        for hour, counts in self.windows.hours().items():
            found.update(f"{hour} {len(counts.keys)}".encode())
            found.update(counts.keys.tobytes() + counts.amounts.tobytes())
        for content in self.countries.contents():
            found.update(content)
        return found.hexdigest()

    def resize(self, rows: int) -> None:
        """Make room for this number of rows, and use them."""
        self._reserve(rows)
        self._used = rows

    def _reserve(self, rows: int) -> None:
        capacity = len(self.digests)
        if rows > capacity:
            more = max(rows - capacity, _MIN_ROWS, capacity // 8)
            for name in _COLUMNS:
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))
            self.changed_epochs = np.append(self.changed_epochs, np.full(more, UNKNOWN))
            self.windows.grow(capacity + more)

    def _own(self) -> None:
        """Stop sharing what staging changes."""
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name).copy())
        self.changed_epochs = self.changed_epochs.copy()
        self.windows = self.windows.copy()
        self.countries = self.countries.copy()
        self.codes = {kind: dict(codes) for kind, codes in self.codes.items()}
        self._changed = []

    def _stage(self, bucket: ItemBucket) -> None:
        rows = self._rows_for(bucket)
        self._set_descriptions(rows, bucket)
        dropped = self.windows.add(bucket.number * self.bucket_micros // _HOUR_MICROS, rows, bucket.counts)
        for country, part in bucket.countries.items():
            self.countries.add(country, rows[part.places], part.counts)
        self.changed_epochs[rows] = self.changed_epochs[dropped] = bucket.number
        self._changed.append(rows)

    def _rows_for(self, bucket: ItemBucket) -> Rows:
        """Return the rows of a bucket's items, and give rows to new ones."""
        rows = self.index.rows_of(bucket.digests)
        new = np.flatnonzero(rows == UNKNOWN)
        if not len(new):
            return rows
        before = self._used
        rows[new] = np.arange(before, before + len(new))
        self.resize(before + len(new))
        self.digests[rows[new]] = bucket.digests[new]
        self.first_seen_unix_micros[rows[new]] = bucket.first_unix_micros[new]
        if not self._owns_index:
            self.index, self._owns_index = self.index.copy(), True
        self.index.add(self.digests[: self._used])
        del self.ids[before:]  # those of a fork that was given up
        for start in range(0, len(new), _ROWS_PER_STEP):
            self.ids.extend([bucket.ids[place] for place in new[start : start + _ROWS_PER_STEP].tolist()])
        return rows

    def _set_descriptions(self, rows: Rows, bucket: ItemBucket) -> None:
        """Take over what was said. What events say does not replace what the catalogue said."""
        categories, brands = (
            texts.among(self.codes[kind]) for kind, texts in (("category", bucket.categories), ("brand", bucket.brands))
        )
        before = self.said[rows]
        for bit, column, values in (
            (Said.PRICE, self.prices, bucket.price_micros / MICROS),
            (Said.CATEGORY, self.categories, categories),
            (Said.BRAND, self.brands, brands),
        ):
            by_catalogue = (bucket.said & bit) > 0
            changed = by_catalogue | ((values != 0) & ((before & bit) == 0))
            column[rows[changed]] = values[changed]
            taken_back = by_catalogue & (values == 0)
            before = np.where(by_catalogue, before | bit, before)
            before = np.where(taken_back, before & (0xFF ^ bit), before)
        given = (bucket.said & Said.FIRST_SEEN) > 0
        self.first_seen_unix_micros[rows[given]] = bucket.first_unix_micros[given]
        self.said[rows] = before | (bucket.said & Said.FIRST_SEEN)
