"""The items of one server: columns that a thread keeps up to date with the store, for the thread that serves."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from presage_featurizer import StateError
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import ItemBucket
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.call import Call
from presage_server.errors import StoreStartError
from presage_server.eventlog.consumer_group import connect
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
_MAX_WAITING = 256
_BUDGET_SECONDS = 0.0002
"""How long changes may keep a batch of calls waiting."""
_FOREVER_MILLIS = 2**62
_JOIN_SECONDS = 10.0
_MICROS = 1_000_000

Turn = Callable[[list[Call]], float]


class LiveItems(Collector):
    """Columns of the newest epoch, with live prices, stock, block list and tags.

    ``columns`` and ``apply_pending`` are for the thread that serves. Use ``open``, and ``close`` at the end.

    Args:
        redis: A client for the thread that reads; closed at the end.
        width_micros: The width of a bucket, if none was published.
    """

    def __init__(self, redis: Redis, width_micros: int) -> None:
        self._redis: Any = redis
        self._width_micros = width_micros
        self._waiting: deque[tuple[CatalogueChange, ...] | ItemColumns] = deque()
        self._settling: tuple[ItemColumns, Iterator[None]] | None = None
        self._adopted = threading.Event()
        self._stop = threading.Event()
        self._parts: list[BucketPart] = []
        self._applied = 0
        """Changes of the catalogue that were applied."""
        self._changes = ChangesReader(redis)
        self._last_part = ""
        self._failed = False
        try:
            self.columns = self._newest = self._load()
        except (StateError, ChainBrokenError) as error:
            # Scores need no items.
            self._report(error, wait_seconds=0.0)
            self.columns = self._newest = ItemColumns(width_micros)
        self._thread = threading.Thread(target=self._run, name="presage-items", daemon=True)

    @classmethod
    def open(cls, url: str, width_micros: int) -> LiveItems:
        """Load what the store has, then follow it.

        Raises:
            StoreStartError: It cannot be loaded.
        """
        try:
            redis, _ = connect(url, client_name="presage-items", timeout_seconds=_TIMEOUT_SECONDS)
            items = cls(redis, width_micros)
        except (EventLogStoreError, RedisError, OSError) as error:
            raise StoreStartError(f"redis_url: the items cannot be loaded: {error}") from error
        if len(items.columns):
            _logger.info("items: %d, counted up to bucket %d", len(items.columns), items.columns.epoch)
        items._thread.start()
        return items

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._adopted.set()
        self._thread.join(_JOIN_SECONDS)
        self._redis.close()

    @property
    def pending(self) -> bool:
        """Whether there is something to apply."""
        return bool(self._waiting or self._settling)

    def apply_pending(self, budget_seconds: float = _BUDGET_SECONDS) -> None:
        """Apply changes of the catalogue and newer epochs, in the order in which they came, for about so long."""
        if not (self._waiting or self._settling):
            return
        until = monotonic() + budget_seconds
        while self._step() and monotonic() < until:
            pass

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

    def serve_with(self, turn: Turn) -> Turn:
        """Return a turn of the thread that serves which applies what is pending before it takes on calls."""

        def turn_with_items(calls: list[Call]) -> float:
            self.apply_pending()
            due = turn(calls)
            return 0.0 if self._waiting or self._settling else due

        return turn_with_items

    def _step(self) -> bool:
        """Apply one piece; return whether there may be more."""
        if self._settling is not None:
            columns, steps = self._settling
            if next(steps, self) is self:  # it has ended
                self.columns, self._settling = columns, None
                self._adopted.set()
            return True
        if not self._waiting:
            return False
        piece = self._waiting.popleft()
        if isinstance(piece, ItemColumns):
            self._settling = piece, piece.settling()
        else:
            for change in piece:
                self.columns.apply_change(change)
            self._applied += len(piece)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
                if self._failed:
                    _logger.warning("items are up to date again")
                self._failed = False
            except ChainBrokenError:
                self._reload()
            except (RedisError, OSError, StateError) as error:
                self._report(error)
            except Exception as error:  # a defect must not leave a server with old items in silence
                _logger.exception("items")
                self._report(error)

    def _report(self, error: Exception, wait_seconds: float = _RETRY_SECONDS) -> None:
        if not self._failed:
            _logger.warning("items stay as they are: %s", str(error)[:200])
        self._failed = True
        self._stop.wait(wait_seconds)

    def _follow(self) -> None:
        """Read what follows, waiting for it, and hand it over."""
        if len(self._waiting) > _MAX_WAITING:
            self._stop.wait(_RETRY_SECONDS)
            return
        streams = {BUCKETS: self._last_part or "0-0", CATALOGUE_STREAM: str(self._changes.last)}
        found = dict(self._redis.xread(streams, count=_ENTRIES_PER_READ, block=_BLOCK_MILLIS) or ())
        for entry_id, fields in found.get(CATALOGUE_STREAM.encode(), ()):
            entry = self._changes.take(entry_id, fields)
            if entry is not None:
                self._waiting.append(entry.changes)
        buckets = list(self._buckets(found.get(BUCKETS.encode(), ())))
        if buckets:
            fork = self._newest.fork()
            for bucket in buckets:
                fork.stage(bucket)
            self._hand_over(fork)

    def _buckets(self, entries: Any) -> Iterator[ItemBucket]:
        epoch = self._newest.epoch
        for entry_id, fields in entries:
            part = BucketPart.parse(entry_id, fields)
            if epoch < 0 and part.width_micros != self._newest.bucket_micros:
                raise ChainBrokenError("the first bucket is of another width")
            joined = list(self._parts)  # taken over only when the part is known to follow
            bucket = join_parts(joined, part, epoch)
            self._parts, self._last_part = joined, part.entry_id
            if bucket is not None:
                epoch = bucket.number
                yield bucket

    def _hand_over(self, columns: ItemColumns) -> None:
        """Have the thread that serves take columns over, and wait until it has."""
        _ = columns.summary  # computed here, where nobody waits for it
        self._adopted.clear()
        self._waiting.append(columns)
        while not (self._stop.is_set() or self._adopted.wait(_RETRY_SECONDS)):
            pass
        self._newest = columns

    def _reload(self) -> None:
        _logger.warning("items are loaded again: buckets after %d have left the store", self._newest.epoch)
        with suppress(RedisError, OSError, StateError, ChainBrokenError):
            self._hand_over(self._load())
            return
        self._stop.wait(_RETRY_SECONDS)

    def _load(self) -> ItemColumns:
        store = ItemStore(self._redis)
        columns, changes = store.load(self._width_micros)
        self._changes = ChangesReader(self._redis, changes)
        while found := self._changes.read(_FOREVER_MILLIS):
            for entry in found:
                for change in entry.changes:
                    columns.apply_change(change)
        self._parts = []
        self._last_part = f"{columns.epoch}-{MAX_SEQUENCE}" if columns.epoch >= 0 else ""
        _ = columns.summary
        return columns
