"""Counts items from the event streams and the catalogue's changes, and publishes each bucket of time once it is closed.

Nothing of an open bucket is stored. A follower that ends at any moment is replaced by one that reads the streams again from the end
of the newest published bucket, and two that work at once publish the same: a bucket is a function of the streams' entries alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from presage_featurizer import StateError, decode_event
from presage_featurizer.event_log import PARTITIONS, Entry, EntryId, Position
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, Place
from presage_server.eventlog.positions import DiscontinuityKind
from presage_server.items.changes import ChangesEntry, ChangesReader
from presage_server.items.event_streams import EventStreams
from presage_server.items.follower_progress import FollowerProgress
from presage_server.items.item_store import MAX_SEQUENCE, ChainBrokenError, ItemStore, LoadedItems, Published
from presage_server.items.keys import BUCKETS, CATALOGUE_STREAM
from presage_server.store.clients import StoreClients

__all__ = ["Follower"]

_MILLI_MICROS = 1_000
_ALL = range(PARTITIONS)
_SLICE_MILLIS = 600_000
"""What is read at once by a follower that is far behind: open buckets are in memory."""
_ITEMS_PER_CHECKPOINT = 200_000
"""Items in changes and buckets after which a checkpoint is written early: a new server would have to read them one by one."""
_CHECK_SECONDS = 60.0
_KEPT_MILLIS = 24 * 3_600 * 1_000
"""How long closed buckets and changes stay in the store: a server that hears nothing for longer loads its columns again."""
_TRIES = 5


@dataclass(kw_only=True, slots=True)
class Follower:
    """Follows the streams of one store. Methods raise redis-py's errors; after one, ``prepare`` comes first."""

    clients: StoreClients
    """Of the store."""
    counts_entries: bool
    """Whether the store counts the entries that a stream ever had."""
    width_micros: int
    """The width of a bucket, if none was published yet."""
    token: Callable[[], str]
    """Makes unique names."""
    warn: Callable[[str], None]
    """Called with one line for each thing that an operator must know."""
    on_read: Callable[[], object] = lambda: None
    """Called often while much is read."""
    checkpoint_seconds: float = 3_600.0
    progress: FollowerProgress = field(default_factory=FollowerProgress)
    _store: ItemStore = field(init=False)
    _streams: EventStreams = field(init=False)
    _changes: ChangesReader = field(init=False)
    _columns: ItemColumns = field(init=False)
    _counter: BucketCounter = field(init=False)
    _published: Published = field(init=False)
    _settled: dict[int, Position] = field(default_factory=dict)
    """How far each stream goes in closed buckets."""
    _marks: dict[int, list[tuple[int, Position]]] = field(default_factory=dict)
    """By partition, the last entry in each open bucket, in order."""
    _unsaved: int = 0
    """Items in changes and buckets since the last checkpoint."""
    _saved_at: float = 0.0
    _checked_at: float = 0.0
    _warned: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        """Continue after the newest published bucket.

        Raises:
            ChainBrokenError: What is published and the stored buckets do not match, or others publish without a pause.
        """
        self._store = ItemStore(self.clients.of_key(BUCKETS))
        for _ in range(_TRIES):
            self._published = self._store.published()
            self._columns, changes = self._store.load(self.width_micros)
            if self._columns.epoch == self._published.epoch:
                break
        else:
            raise ChainBrokenError(
                f"epoch {self._published.epoch} is published, the buckets end at {self._columns.epoch}"
            )
        width = self._columns.bucket_micros
        if width != self.width_micros:
            self._warn_once(
                f"buckets of {width / 1e6:g} s are stored, so they stay that wide, not {self.width_micros / 1e6:g} s"
            )
            self.width_micros = width
        self._counter = BucketCounter(width, self._published.epoch)
        self._settled, self._marks = dict(self._published.positions), {}
        self._streams = EventStreams(self.clients, counts_entries=self.counts_entries)
        self._streams.resume(self._settled)
        self._check()
        self._saved_at, self._unsaved = monotonic(), 0
        self._changes = ChangesReader(self.clients.of_key(CATALOGUE_STREAM))
        if self._published.epoch >= 0:
            # What changed in closed buckets is in the columns, except for live values since the checkpoint.
            old = ChangesReader(self.clients.of_key(CATALOGUE_STREAM), changes)
            while found := old.read(self._open_from_millis):
                self._apply(found)
            self._changes.last = EntryId(self._open_from_millis - 1, MAX_SEQUENCE)

    def step(self) -> bool:
        """Read what the streams have, publish the buckets that are closed by then; return whether there may be more at once."""
        now_millis = self.clients.now_millis()
        until_millis = self._until(now_millis)
        self._read_changes(until_millis)
        self._read_events(until_millis)
        # All that was not read has an id of that moment or later. When nothing is behind, that moment is now.
        closed = min(until_millis, now_millis) * _MILLI_MICROS // self.width_micros - 1
        published = self._publish_until(closed)
        self._update_progress(now_millis)
        if monotonic() - self._checked_at >= _CHECK_SECONDS:
            self._check()
        due = monotonic() - self._saved_at >= self.checkpoint_seconds or self._unsaved >= _ITEMS_PER_CHECKPOINT
        if due and published and until_millis > now_millis:
            self.save()
        return until_millis <= now_millis

    def save(self) -> None:
        """Write a checkpoint of the newest closed bucket."""
        keep_from_millis = self.clients.now_millis() - _KEPT_MILLIS
        self._store.save(
            LoadedItems(self._columns, self._changes.last), token=self.token(), keep_from_millis=keep_from_millis
        )
        self.progress.checkpoints += 1
        self._saved_at, self._unsaved = monotonic(), 0

    @property
    def _open_from_millis(self) -> int:
        """When the first open bucket begins."""
        return (self._counter.closed + 1) * self.width_micros // _MILLI_MICROS

    def _until(self, now_millis: int) -> int:
        """Return up to where to read: beyond now, or where a slice of what was missed ends."""
        beyond = now_millis + _SLICE_MILLIS
        if now_millis - self._open_from_millis <= _SLICE_MILLIS:
            return beyond
        oldest = self._streams.oldest_unread()
        if oldest is None:
            return beyond
        width_millis = self.width_micros // _MILLI_MICROS
        until = max(oldest, self._open_from_millis) // width_millis * width_millis + max(_SLICE_MILLIS, width_millis)
        return until if until <= now_millis else beyond

    def _read_events(self, until_millis: int) -> None:
        partitions: Sequence[int] = _ALL
        while partitions:
            found, partitions = self._streams.read(partitions, until_millis)
            for partition, entries in found.items():
                self._count(partition, entries)
            self.on_read()

    def _count(self, partition: int, entries: Sequence[Entry]) -> None:
        position = self._streams.positions[partition]
        marks = self._marks.setdefault(partition, [])
        for before_last, entry in enumerate(entries, 1 - len(entries)):
            unix_micros = entry.entry_id.unix_millis * _MILLI_MICROS
            bucket = max(unix_micros // self.width_micros, self._counter.closed + 1)
            counted = None if position.counted is None else position.counted + before_last
            mark = bucket, Position(last=entry.entry_id, counted=counted, lost=position.lost)
            if marks and marks[-1][0] == bucket:
                marks[-1] = mark
            else:
                marks.append(mark)
            if not entry.event:  # a served vector, or what a newer release writes
                continue
            try:
                event = decode_event(entry.event)
            except StateError as error:
                self.progress.unreadable += 1
                self._warn_once(f"events that cannot be read are not counted: {error}")
                continue
            self._counter.add(event, Place(unix_micros, entry.entry_id.sequence, partition))
        self.progress.entries += len(entries)

    def _read_changes(self, until_millis: int) -> None:
        while found := self._changes.read(until_millis):
            self._apply(found)
            for entry in found:
                for change in entry.changes:
                    self._counter.add_change(change, entry.place)
            self.on_read()

    def _apply(self, entries: Sequence[ChangesEntry]) -> None:
        for entry in entries:
            self._columns.apply_changes(entry.changes)
            self.progress.changes += len(entry.changes)
            self._unsaved += len(entry.changes)

    def _publish_until(self, last: int) -> bool:
        """Publish the buckets up to one; return whether there was any. Empty ones before it are left out."""
        if last <= self._counter.closed or last < self._published.newest:
            return False
        numbers = [number for number in self._counter.open_buckets if number < last]
        if not (numbers or self._counter.open_buckets or len(self._columns)):
            self._settled.update(self._positions_until(last))
            return False  # a shop without items
        for number in (*numbers, last):
            bucket = self._counter.close(number)
            settled = {**self._settled, **self._positions_until(number)}
            published = self._store.publish(bucket, self._published, settled, self.width_micros)
            if published is None:
                # Another follower was faster, or the store is not the same any more.
                self.prepare()
                return False
            self._published, self._settled = published, settled
            self._columns.apply(bucket)
            self._unsaved += len(bucket)
            self.progress.published += 1
            self.on_read()
        return True

    def _positions_until(self, number: int) -> dict[int, Position]:
        """Return how far streams go up to the end of a bucket, and forget the marks."""
        found = {}
        for partition, marks in list(self._marks.items()):
            while marks and marks[0][0] <= number:
                found[partition] = marks.pop(0)[1]
            if not marks:
                del self._marks[partition]
        return found

    def _check(self) -> None:
        """Look for entries that left the streams before they were read."""
        self._checked_at = monotonic()
        for partition, found in self._streams.check():
            self.progress.lost += found.entries
            self._warn_once(_WARNINGS[found.kind].format(partition=partition, after=found.after))
        for partition, position in self._streams.positions.items():
            if partition not in self._marks:
                self._settled[partition] = position

    def _update_progress(self, now_millis: int) -> None:
        progress = self.progress
        if self._counter.late and not progress.late:
            self._warn_once("the store's clock went back: entries of closed buckets are counted in the next one")
        progress.epoch, progress.items, progress.late = self._published.epoch, len(self._columns), self._counter.late
        progress.unreadable += self._changes.unreadable
        self._changes.unreadable = 0
        if progress.epoch >= 0:
            progress.behind_seconds = max(0.0, (now_millis - self._open_from_millis) / 1_000)

    def _warn_once(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            self.warn(line)


_WARNINGS = {
    DiscontinuityKind.LOST: (
        "LOST: events left the stream of partition {partition}, and perhaps others, before they were counted (after {after}); "
        "raise the servers' stream_max_events, or keep the follower running"
    ),
    DiscontinuityKind.MAYBE_LOST: (
        "PERHAPS LOST: the last counted event has left the stream of partition {partition}, and perhaps others, so later ones may "
        "have left too (after {after})"
    ),
    DiscontinuityKind.STREAM_RESET: (
        "STREAM RESET: the stream of partition {partition}, and perhaps others, is not the one that was counted so far (after "
        "{after}): the store was emptied, replaced, or restored from a backup"
    ),
}
