"""The log of each partition, folded from the archive, then from the stream: each event once, whatever an archiver does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event as Flag

from presage_featurizer import Event, StateError, decode_event
from presage_featurizer.event_log import Checkpoint, EntryId, Position
from presage_server.archive.reading import ArchivedEvents
from presage_server.backfill.histories import Histories, History
from presage_server.backfill.progress import Progress
from presage_server.backfill.visitor_store import PartitionRead, VisitorStore
from presage_server.eventlog.positions import Discontinuity, DiscontinuityKind, check_continuity

__all__ = ["Follower"]


class Follower:
    """Folds the events of a group of partitions.

    Args:
        archive: The archived events.
        store: Has the events that are not archived yet.
        histories: Takes the events.
        progress: Counts them.
        warn: Called with one line for each thing that an operator must know.
        stop: Ends the reading.
    """

    def __init__(
        self,
        archive: ArchivedEvents,
        store: VisitorStore,
        histories: Histories,
        progress: Progress,
        *,
        warn: Callable[[str], None],
        stop: Flag,
    ) -> None:
        self._archive = archive
        self._store = store
        self._histories = histories
        self._progress = progress
        self._warn = warn
        self._stop = stop
        self._batches: dict[int, int] = {}
        """By partition, the last archived batch that was folded."""
        self._positions: dict[int, Position] = {}
        """By partition, the last entry that was folded."""
        self._erasures: dict[int, int] = {}
        """By partition, how many visitors had been erased before anything of it was read."""
        self._discontinuous: set[int] = set()
        self._unreadable: set[int] = set()
        """Partitions with events that this release cannot read."""
        self._gaps: set[int] = set()
        """Partitions with events that are neither in the archive nor in the stream any more."""

    def read_archive(self, group: range, on_progress: Callable[[float], None]) -> None:
        """Fold what is archived of some partitions."""
        self._erasures.update(self._store.erasures(group))  # before anything is read of those who are erased meanwhile
        checkpoint = self._archive.checkpoint()
        self._fold_archived(group, checkpoint, on_progress=on_progress)
        self._batches.update(dict.fromkeys(group, checkpoint.batch))
        self._positions.update({partition: _archived_until(checkpoint, partition) for partition in group})

    def histories(self, partition: int) -> dict[str, History]:
        """Return the histories of a partition's visitors up to the last read, by user id."""
        return self._histories.of(partition)

    def is_whole(self, partition: int) -> bool:
        """Return whether no event of a partition is known to be missing, up to the last read."""
        return not (partition in self._gaps or partition in self._unreadable or self._positions[partition].lost)

    def erasures(self, partition: int) -> int:
        """Return how many visitors of a partition had been erased before its events were read."""
        return self._erasures[partition]

    def forget(self, partition: int) -> None:
        """Free the memory of a partition."""
        self._histories.forget(partition)

    def read(self, partition: int, user_ids: Sequence[str]) -> PartitionRead:
        """Read visitors together with what their stream has by now, and fold it.

        Returns:
            What was read. If it is ``full``, there is more in the stream, and the states are of a later moment than the histories.
        """
        while True:
            read = self._store.read(partition, self._positions[partition].last, user_ids)
            if self._continues(partition, read):
                break
        for entry in read.entries:
            if entry.event:  # else it is a served vector
                try:
                    event = decode_event(entry.event)
                except StateError:
                    event = None
                self._fold(partition, entry.entry_id, event, fresh=entry.no_prior_state)
        if read.entries:
            before = self._positions[partition]
            counted = None if before.counted is None else before.counted + len(read.entries)
            last = read.entries[-1].entry_id
            self._positions[partition] = Position(last=last, counted=counted, lost=before.lost)
        return read

    def _continues(self, partition: int, read: PartitionRead) -> bool:
        """Return whether what was read follows what was folded.

        If events left the stream in between, they are folded from the archive, and the stream has to be read again.
        """
        if read.info is None:
            return True
        corrected, discontinuity = check_continuity(self._positions[partition], read.info)
        if discontinuity is not None and self._catch_up(partition):
            return False
        self._positions[partition] = corrected
        if discontinuity is not None and discontinuity.kind is not DiscontinuityKind.STREAM_RESET:
            self._gaps.add(partition)
        if discontinuity is not None and partition not in self._discontinuous:
            self._discontinuous.add(partition)
            self._report(partition, discontinuity)
        return True

    def _catch_up(self, partition: int) -> bool:
        """Fold what has been archived of a partition since; return whether there was any."""
        checkpoint = self._archive.checkpoint()
        archived, last = _archived_until(checkpoint, partition), self._positions[partition].last
        if archived.last <= last:
            return False
        group = range(partition, partition + 1)
        self._fold_archived(group, checkpoint, after_batch=self._batches[partition], after=last)
        self._batches[partition], self._positions[partition] = checkpoint.batch, archived
        return True

    def _fold_archived(
        self,
        group: range,
        checkpoint: Checkpoint,
        *,
        after_batch: int = 0,
        after: EntryId | None = None,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        for row in self._archive.read(group, checkpoint, after_batch=after_batch, on_progress=on_progress):
            if self._stop.is_set():
                return
            if after is None or row.entry_id > after:
                self._fold(row.partition, row.entry_id, row.event, fresh=row.fresh)

    def _fold(self, partition: int, entry_id: EntryId, event: Event | None, *, fresh: bool) -> None:
        if event is None:
            self._progress.unreadable_events += 1
            self._unreadable.add(partition)
        else:
            self._histories.fold(partition, entry_id, event, fresh=fresh)
            self._progress.events += 1

    def _report(self, partition: int, discontinuity: Discontinuity) -> None:
        if discontinuity.kind is DiscontinuityKind.STREAM_RESET:
            self._progress.resets += 1
            if self._progress.resets == 1:
                self._warn(_RESET.format(partition=partition))
        else:
            self._progress.gaps += 1
            if self._progress.gaps == 1:
                self._warn(_GAP.format(partition=partition, after=discontinuity.after))


def _archived_until(checkpoint: Checkpoint, partition: int) -> Position:
    """Return how far a partition is archived; one that is not has every entry that the stream ever had still to come."""
    return checkpoint.positions.get(partition, Position(counted=0))


_GAP = (
    "GAP: events after entry {after} have left the stream of partition {partition} and are not in the archive; visitors for which "
    "this makes a difference keep what is stored"
)
_RESET = (
    "STREAM RESET: the stream of partition {partition}, and perhaps others, is not the one that was archived: the store was "
    "emptied, replaced, or restored from a backup, or it is another store"
)
