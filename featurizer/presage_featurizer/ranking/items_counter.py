"""Counts the items of events by bucket of time, in whatever order and by however many counters they are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from presage_featurizer.digests import product_digest
from presage_featurizer.events import Event
from presage_featurizer.ranking.items_bucket import COUNTED_TYPES, ItemBucket, Said, Texts

__all__ = ["CATALOGUE", "BucketCounter", "CatalogueChange", "Place", "item_number"]

CATALOGUE = -1
"""Stands for the stream of changes of the catalogue where a ``Place`` names a partition."""

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
    """What one bucket has of one item."""

    __slots__ = ("by_catalogue", "by_events", "counts", "first", "item_id")

    def __init__(self, item_id: str, first: int) -> None:
        self.item_id = item_id
        self.first = first
        self.counts = [0] * len(COUNTED_TYPES)
        self.by_events: dict[int, _Register] = {}
        self.by_catalogue: dict[int, _Register] = {}

    def value(self, bit: int, otherwise: int | str) -> int | str:
        """Return what was said last; the catalogue knows better than events."""
        register = self.by_catalogue.get(bit) or self.by_events.get(bit)
        return otherwise if register is None else register.value


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
                gathered.counts[kind] += 1
            registers = gathered.by_events
            if item.price_micros:
                _note(registers, Said.PRICE, place, item.price_micros)
            if item.category:
                _note(registers, Said.CATEGORY, place, item.category)
            if item.brand:
                _note(registers, Said.BRAND, place, item.brand)

    def add_change(self, change: CatalogueChange, place: Place) -> None:
        """Note what the catalogue says of an item."""
        registers = self._of(self._bucket(place), change.item_id, place).by_catalogue
        said = (
            (Said.PRICE, change.price_micros),
            (Said.CATEGORY, change.category),
            (Said.BRAND, change.brand),
            (Said.FIRST_SEEN, change.first_seen_unix_micros),
        )
        for bit, value in said:
            if value is not None:
                _note(registers, bit, place, value)

    def merge(self, other: BucketCounter) -> None:
        """Take over what another counter has counted of open buckets; no entry may have been counted by both."""
        for number, items in other._open.items():
            bucket = self._open.setdefault(max(number, self.closed + 1), {})
            for digest, gathered in items.items():
                known = bucket.get(digest)
                if known is None:
                    known = bucket[digest] = _Gathered(gathered.item_id, gathered.first)
                known.first = min(known.first, gathered.first)
                known.counts = [mine + theirs for mine, theirs in zip(known.counts, gathered.counts, strict=True)]
                for registers, others in (
                    (known.by_events, gathered.by_events),
                    (known.by_catalogue, gathered.by_catalogue),
                ):
                    for bit, register in others.items():
                        _note(registers, bit, register.place, register.value)
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
        return ItemBucket(
            bucket,
            tuple(found.item_id for found in gathered),
            np.array([number for number, _ in items], np.uint64),
            np.array([found.counts for found in gathered], np.uint32).reshape(-1, len(COUNTED_TYPES)),
            np.array([found.value(Said.FIRST_SEEN, found.first) for found in gathered], np.int64),
            np.array([found.value(Said.PRICE, 0) for found in gathered], np.int64),
            Texts.of([str(found.value(Said.CATEGORY, "")) for found in gathered]),
            Texts.of([str(found.value(Said.BRAND, "")) for found in gathered]),
            np.array([_bits(found.by_catalogue) for found in gathered], np.uint8),
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


def _note(registers: dict[int, _Register], bit: int, place: Place, value: int | str) -> None:
    register = registers.get(bit)
    if register is None:
        registers[bit] = _Register(place, value)
    elif place >= register.place:  # within one entry, the last one holds
        register.place, register.value = place, value


def _bits(registers: Iterable[int]) -> int:
    return sum(registers)
