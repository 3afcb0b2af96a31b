"""The items of one server: features that threads keep up to date with the store, for the thread that serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from presage_featurizer import StateError
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import ItemBucket
from presage_server.errors import StoreStartError
from presage_server.eventlog.connecting import connect
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.items.changes import ChangesReader
from presage_server.items.item_store import MAX_SEQUENCE, BucketPart, ChainBrokenError, ItemStore, join_parts
from presage_server.items.keys import BUCKETS, CATALOGUE_STREAM

__all__ = ["LiveItems"]

_logger = logging.getLogger(__name__)

_BLOCK_MILLIS = 500
_TIMEOUT_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_ENTRIES_PER_READ = 8
_PAUSE_SECONDS = 0.0002
"""Between two steps of what changes wait for: a lock is not given to who waits for it, but to who asks first."""
_FOREVER_MILLIS = 2**62
_JOIN_SECONDS = 10.0
_MICROS = 1_000_000

Prepare = Callable[[ItemColumns], object]


class LiveItems(Collector):
    """Features of the newest epoch, with live prices, stock, block list and tags.

    Two threads make everything: one applies changes of the catalogue, in their order, and one makes the columns and the features of
    each epoch, which then take the place of those before at once. Whoever serves has nothing to do, and may read at any moment.

    Use ``open``, and ``close`` at the end.

    Args:
        redis: A client for the threads that read; closed at the end.
        width_micros: The width of a bucket, if none was published.
        prepare: Called with the columns of each epoch before anybody else sees them, by another thread than the one that serves.
    """

    def __init__(self, redis: Redis, width_micros: int, prepare: Prepare) -> None:
        self._redis: Any = redis
        self._width_micros = width_micros
        self._stop = threading.Event()
        self._changing = threading.Lock()
        """For live values, and for what they are changed through: ``_newest`` and ``_changes``."""
        self._failing: set[str] = set()
        """The streams that cannot be read."""
        self._parts: list[BucketPart] = []
        self._last_part = ""
        self._applied = 0
        """Changes of the catalogue that were applied."""
        self._changes = ChangesReader(redis)
        self._prepare = prepare
        try:
            columns, self._changes = self._load()
            self._begin_after(columns)
        except (StateError, ChainBrokenError) as error:
            # Scores need no items.
            self._report(BUCKETS, error, wait_seconds=0.0)
            columns = ItemColumns(width_micros)
        self._newest = columns
        """The columns that know of all items that have live values."""
        self.features = self._features_of(columns)
        """The features of all items, as of the newest epoch."""
        self._threads = [
            threading.Thread(target=self._run, args=arguments, name=name, daemon=True)
            for name, *arguments in (
                ("presage-items", BUCKETS, self._follow_buckets),
                ("presage-changes", CATALOGUE_STREAM, self._follow_changes),
            )
        ]

    @classmethod
    def open(cls, url: str, width_micros: int, prepare: Prepare = lambda _: None) -> LiveItems:
        """Load what the store has, then follow it.

        Raises:
            StoreStartError: It cannot be loaded.
        """
        try:
            redis, _ = connect(url, client_name="presage-items", timeout_seconds=_TIMEOUT_SECONDS, key=BUCKETS)
            items = cls(redis, width_micros, prepare)
        except (EventLogStoreError, RedisError, OSError) as error:
            raise StoreStartError(f"redis_url: the items cannot be loaded: {error}") from error
        if len(items.columns):
            _logger.info("items: %d, counted up to bucket %d", len(items.columns), items.columns.epoch)
        for thread in items._threads:
            thread.start()
        return items

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._redis.close()

    @property
    def columns(self) -> ItemColumns:
        """All items, as of the newest epoch."""
        return self.features.items

    def collect(self) -> Iterator[Metric]:
        """Report how many items there are, how fresh their statistics are, and how many changes have come."""
        columns = self.columns
        end = (columns.epoch + 1) * columns.bucket_micros / _MICROS
        yield GaugeMetricFamily("presage_items", "Items that closed buckets name.", value=len(columns))
        yield GaugeMetricFamily(
            "presage_items_counted_until_seconds",
            "Until when the items' statistics are counted, in seconds since 1970; 0 before the first bucket.",
            value=end if columns.epoch >= 0 else 0,
        )
        yield CounterMetricFamily(
            "presage_item_changes", "Items changed by the catalogue since the start.", value=self._applied
        )

    def _run(self, stream: str, follow: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                follow()
            except ChainBrokenError:
                self._reload()
            except (RedisError, OSError, StateError) as error:
                self._report(stream, error)
            except Exception as error:  # a defect must not leave a server with old items in silence
                _logger.exception("items")
                self._report(stream, error)
            else:
                if stream in self._failing:
                    self._failing.discard(stream)
                    if not self._failing:
                        _logger.warning("items are up to date again")

    def _report(self, stream: str, error: Exception, wait_seconds: float = _RETRY_SECONDS) -> None:
        if not self._failing:
            _logger.warning("items stay as they are: %s", str(error)[:200])
        self._failing.add(stream)
        self._stop.wait(wait_seconds)

    def _follow_changes(self) -> None:
        """Read the catalogue's changes that follow, waiting for them, and apply them."""
        reader = self._changes
        for entry_id, fields in self._read(CATALOGUE_STREAM, str(reader.last)):
            with self._changing:
                if reader is not self._changes:
                    return  # the items were loaded again
                entry = reader.take(entry_id, fields)
                if entry is not None:
                    self._newest.apply_changes(entry.changes)
                    self._applied += len(entry.changes)

    def _follow_buckets(self) -> None:
        """Read the buckets that follow, waiting for them, and make the next epoch of them."""
        buckets = list(self._buckets(self._read(BUCKETS, self._last_part or "0-0")))
        if not buckets:
            return
        columns = self._newest.fork()
        while buckets:
            parts = buckets.pop(0)
            columns.stage(*parts)
            while parts:
                parts.pop()  # one at a time: all threads wait while a million texts are given up
        features = self.features.fork(columns)
        features.prepare()
        self._prepare(columns)
        with self._changing:
            self._newest = columns
        steps = columns.settling()
        while self._step(steps):
            self._stop.wait(_PAUSE_SECONDS)
        self.features = features

    def _step(self, steps: Iterator[None]) -> bool:
        with self._changing:
            return next(steps, self) is not self

    def _read(self, stream: str, after: str) -> Any:
        found = self._redis.xread({stream: after}, count=_ENTRIES_PER_READ, block=_BLOCK_MILLIS) or ()
        return dict(found).get(stream.encode(), ())

    def _buckets(self, entries: Any) -> Iterator[list[ItemBucket]]:
        epoch = self._newest.epoch
        for entry_id, fields in entries:
            part = BucketPart.parse(entry_id, fields)
            if epoch < 0 and part.width_micros != self._newest.bucket_micros:
                raise ChainBrokenError("the first bucket is of another width")
            joined = list(self._parts)  # taken over only when the part is known to follow
            bucket = join_parts(joined, part, epoch)
            self._parts, self._last_part = joined, part.entry_id
            if bucket is not None:
                epoch = bucket[0].number
                yield bucket

    def _reload(self) -> None:
        _logger.warning("items are loaded again: buckets after %d have left the store", self._newest.epoch)
        try:
            columns, changes = self._load()
        except (RedisError, OSError, StateError, ChainBrokenError):
            self._stop.wait(_RETRY_SECONDS)
            return
        features = self._features_of(columns)
        with self._changing:
            self._newest, self._changes = columns, changes
        self._begin_after(columns)
        self.features = features

    def _features_of(self, columns: ItemColumns) -> ItemFeatures:
        features = ItemFeatures(columns)
        features.prepare()
        self._prepare(columns)
        return features

    def _begin_after(self, columns: ItemColumns) -> None:
        self._parts = []
        self._last_part = f"{columns.epoch}-{MAX_SEQUENCE}" if columns.epoch >= 0 else ""

    def _load(self) -> tuple[ItemColumns, ChangesReader]:
        columns, changes = ItemStore(self._redis).load(self._width_micros)
        reader = ChangesReader(self._redis, changes)
        while found := reader.read(_FOREVER_MILLIS):
            for entry in found:
                columns.apply_changes(entry.changes)
        return columns, reader
