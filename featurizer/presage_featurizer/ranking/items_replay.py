"""The columns that a log gives, bucket by bucket, as the servers had them."""

from __future__ import annotations

from presage_featurizer.events import Event
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, CatalogueChange, Place

__all__ = ["ItemReplay"]


class ItemReplay:
    """Counts the events of a log into columns, in the order of time.

    Args:
        columns: What the closed buckets are applied to.
    """

    def __init__(self, columns: ItemColumns) -> None:
        self.columns = columns
        self._counter = BucketCounter(columns.bucket_micros, columns.epoch)

    def add(self, event: Event, unix_micros: int, sequence: int = 0, partition: int = 0) -> None:
        """Count an event in the bucket of its entry's time, after closing the buckets before that one.

        An event of a closed bucket is counted in the open one: a closed bucket never changes.
        """
        self.close_before(unix_micros)
        self._counter.add(event, Place(unix_micros, sequence, partition))

    def add_change(self, change: CatalogueChange, unix_micros: int, sequence: int = 0, partition: int = 0) -> None:
        """Apply a change of the catalogue: to the live values at once, to what features see with its bucket."""
        self.close_before(unix_micros)
        self._counter.add_change(change, Place(unix_micros, sequence, partition))
        self.columns.apply_change(change)

    def close_before(self, unix_micros: int) -> None:
        """Close all buckets that end at or before a moment, and apply them."""
        last = unix_micros // self.columns.bucket_micros - 1
        if last <= self._counter.closed:
            return
        for bucket in self._counter.open_buckets:
            if bucket < last:
                self.columns.apply(self._counter.close(bucket))
        self.columns.apply(self._counter.close(last))
