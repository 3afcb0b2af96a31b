"""Counts the items of events by bucket of time, in whatever order and by however many counters they are read."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from presage_featurizer.digests import product_digest
from presage_featurizer.events import Event
from presage_featurizer.ranking.bucket_countries import COUNTRY_TYPES, gather_countries
from presage_featurizer.ranking.items_bucket import COUNTED_TYPES, ItemBucket, Said, Texts

__all__ = ["CATALOGUE", "BucketCounter", "CatalogueChange", "Place", "item_number"]

CATALOGUE = -1
"""Stands for the stream of changes of the catalogue where a ``Place`` names a partition."""

_NO_COUNTS = [0] * len(COUNTED_TYPES)
_COUNTRY_KINDS = len(COUNTRY_TYPES)
_TYPES = {int(kind): place for place, kind in enumerate(COUNTED_TYPES)}


class Place(NamedTuple):
    """Where an entry stands among those of all streams: what decides which of two is the newer one."""

    unix_micros: int
    """The store's time of the entry, in microseconds since 1970; of a log from elsewhere, the event's time."""
    sequence: int = 0
    """The entry's number among those of the same stream and time."""
    partition: int = 0
    """The stream."""


class CatalogueChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the catalogue says of one item from now on; None leaves a value as it is."""

    item_id: str
    """The shop's id."""
    price_micros: int | None = None
    """The price of one unit in millionths of the shop's currency; 0: not known."""
    category: str | None = None
    """The category; empty: not known."""
    brand: str | None = None
    """The brand; empty: not known."""
    tags: tuple[str, ...] | None = None
    """Words to filter by."""
    stock: int | None = None
    """Units in stock, at least 0."""
    blocked: bool | None = None
    """Whether it must not be shown."""
    first_seen_unix_micros: int | None = None
    """Since when it has been there."""


class _Register:
    """The newest value that was given, whatever the order in which values are given."""

    __slots__ = ("place", "value")

    def __init__(self, place: Place, value: int | str) -> None:
        self.place = place
        self.value = value


class _Gathered:
    """What one bucket has of one item. Parts that many items lack are made when they are needed: catalogues are large."""

    __slots__ = ("changes", "countries", "counts", "first", "item_id", "registers")

    def __init__(self, item_id: str, first: int) -> None:
        self.item_id = item_id
        self.first = first
        self.counts: list[int] | None = None
        self.countries: dict[str, list[int]] | None = None
        """Counts of COUNTRY_TYPES by the visitors' country, where it is known."""
        self.registers: dict[int, _Register] | None = None
        """What events say."""
        self.changes: list[tuple[Place, CatalogueChange]] | None = None

    def note(self, bit: int, place: Place, value: int | str) -> None:
        """Note what an event says; within one entry, the last one holds."""
        if self.registers is None:
            self.registers = {}
        register = self.registers.get(bit)
        if register is None:
            self.registers[bit] = _Register(place, value)
        elif place >= register.place:
            register.place, register.value = place, value

    def count(self, kind: int, country: str) -> None:
        """Count an event, by the place of its type."""
        if self.counts is None:
            self.counts = [0] * len(COUNTED_TYPES)
        self.counts[kind] += 1
        if country and kind < _COUNTRY_KINDS:
            if self.countries is None:
                self.countries = {}
            self.countries.setdefault(country, [0] * _COUNTRY_KINDS)[kind] += 1

    def merge(self, other: _Gathered) -> None:
        """Take over what another counter gathered."""
        self.first = min(self.first, other.first)
        if other.counts is not None:
            mine = self.counts or _NO_COUNTS
            self.counts = [count + more for count, more in zip(mine, other.counts, strict=True)]
        for country, counts in (other.countries or {}).items():
            self.countries = self.countries or {}
            known = self.countries.get(country, [0] * _COUNTRY_KINDS)
            self.countries[country] = [count + more for count, more in zip(known, counts, strict=True)]
        for bit, register in (other.registers or {}).items():
            self.note(bit, register.place, register.value)
        if other.changes is not None:
            self.changes = (self.changes or []) + other.changes

    def said(self) -> dict[int, int | str]:
        """Return the newest values that the catalogue gave, by bits of ``Said``."""
        return {
            bit: value
            for _, change in sorted(self.changes or (), key=_place_of)  # keeps the order within one entry
            for bit, value in (
                (Said.PRICE, change.price_micros),
                (Said.CATEGORY, change.category),
                (Said.BRAND, change.brand),
                (Said.FIRST_SEEN, change.first_seen_unix_micros),
            )
            if value is not None
        }

    def heard(self) -> dict[int, int | str]:
        """Return the newest values that events gave."""
        return {bit: register.value for bit, register in (self.registers or {}).items()}


class BucketCounter:
    """Counts by bucket and item.

    The same entries give equal buckets in any order, and by several counters that are merged.

    Args:
        bucket_micros: The width of a bucket of time.
        closed: The newest bucket that is closed already.
    """

    def __init__(self, bucket_micros: int, closed: int = -1) -> None:
        self.bucket_micros = bucket_micros
        self.closed = closed
        """The newest bucket that was closed."""
        self.late = 0
        """Entries of buckets that were closed already. They are counted in the next bucket: a closed one never changes."""
        self._open: dict[int, dict[int, _Gathered]] = {}

    @property
    def open_buckets(self) -> list[int]:
        """The buckets that something was counted in and that are not closed, in order."""
        return sorted(self._open)

    def add(self, event: Event, place: Place) -> None:
        """Count an event's items, and note what it says of them."""
        if not event.items:
            return
        bucket = self._bucket(place)
        kind = _TYPES.get(int(event.type))
        for item in event.items:
            gathered = self._of(bucket, item.item_id, place)
            if kind is not None:
                gathered.count(kind, event.country)
            if item.price_micros:
                gathered.note(Said.PRICE, place, item.price_micros)
            if item.category:
                gathered.note(Said.CATEGORY, place, item.category)
            if item.brand:
                gathered.note(Said.BRAND, place, item.brand)

    def add_change(self, change: CatalogueChange, place: Place) -> None:
        """Note what the catalogue says of an item."""
        gathered = self._of(self._bucket(place), change.item_id, place)
        if gathered.changes is None:
            gathered.changes = []
        gathered.changes.append((place, change))

    def merge(self, other: BucketCounter) -> None:
        """Take over what another counter has counted of open buckets; no entry may have been counted by both."""
        for number, items in other._open.items():
            bucket = self._open.setdefault(max(number, self.closed + 1), {})
            for digest, gathered in items.items():
                known = bucket.get(digest)
                if known is None:
                    known = bucket[digest] = _Gathered(gathered.item_id, gathered.first)
                known.merge(gathered)
        self.late += other.late

    def close(self, bucket: int) -> ItemBucket:
        """Close a bucket, which may be empty; no earlier one may be open any more.

        Raises:
            ValueError: It was closed before, or an earlier one has counts.
        """
        first = min(self._open, default=bucket)
        if bucket <= self.closed or first < bucket:
            raise ValueError(f"bucket: expected {max(self.closed + 1, min(first, bucket))}, got {bucket}")
        self.closed = bucket
        items = sorted(self._open.pop(bucket, {}).items())
        gathered = [found for _, found in items]
        columns: tuple[list[int], list[int], list[str], list[str], list[int]] = ([], [], [], [], [])
        firsts, prices, categories, brands, bits = columns
        for found in gathered:  # one at a time: a catalogue may change a million items in one bucket
            said = found.said()
            newest = found.heard() | said
            firsts.append(int(newest.get(Said.FIRST_SEEN, found.first)))
            prices.append(int(newest.get(Said.PRICE, 0)))
            categories.append(str(newest.get(Said.CATEGORY, "")))
            brands.append(str(newest.get(Said.BRAND, "")))
            bits.append(sum(said))
        return ItemBucket(
            bucket,
            tuple(found.item_id for found in gathered),
            np.array([number for number, _ in items], np.uint64),
            np.array([found.counts or _NO_COUNTS for found in gathered], np.uint32).reshape(-1, len(COUNTED_TYPES)),
            np.array(firsts, np.int64),
            np.array(prices, np.int64),
            Texts.of(categories),
            Texts.of(brands),
            np.array(bits, np.uint8),
            gather_countries(found.countries for found in gathered),
        )

    def _bucket(self, place: Place) -> dict[int, _Gathered]:
        number = place.unix_micros // self.bucket_micros
        if number <= self.closed:
            self.late += 1
            number = self.closed + 1
        found = self._open.get(number)
        if found is None:
            found = self._open[number] = {}
        return found

    @staticmethod
    def _of(bucket: dict[int, _Gathered], item_id: str, place: Place) -> _Gathered:
        number = item_number(item_id)
        found = bucket.get(number)
        if found is None:
            found = bucket[number] = _Gathered(item_id, place.unix_micros)
        elif place.unix_micros < found.first:
            found.first = place.unix_micros
        return found


def item_number(item_id: str) -> int:
    """Return the number of an item's digest."""
    return int.from_bytes(product_digest(item_id), "little")


def _place_of(change: tuple[Place, CatalogueChange]) -> Place:
    return change[0]
