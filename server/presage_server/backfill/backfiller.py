"""Brings stored states up to date with the log, a group of partitions after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event as Flag

from presage_featurizer.event_log import PARTITIONS
from presage_server.backfill.following import Follower
from presage_server.backfill.pace import Pace
from presage_server.backfill.progress import Progress
from presage_server.backfill.resolving import Resolver
from presage_server.backfill.visitor_store import UNFINISHED, PartitionRead, VisitorStore
from presage_server.clock import Clock

__all__ = ["Backfiller"]

_VISITORS_PER_CALL = 48
_ATTEMPTS = 100
_MICROS_PER_MILLI = 1_000


class Backfiller:
    """Backfills one store.

    Args:
        store: The visitors' states.
        resolver: Decides about each visitor.
        pace: Makes pauses.
        clock: Returns the time in microseconds.
        progress: Counts what becomes of the visitors.
        on_step: Called often.
        stop: Ends it before the next step; nothing is left half done.
    """

    def __init__(
        self,
        *,
        store: VisitorStore,
        resolver: Resolver,
        pace: Pace,
        clock: Clock,
        progress: Progress,
        on_step: Callable[[], None],
        stop: Flag,
    ) -> None:
        self._store = store
        self._resolver = resolver
        self._pace = pace
        self._clock = clock
        self._progress = progress
        self._on_step = on_step
        self._stop = stop

    def run(self, make_follower: Callable[[], Follower], *, groups: int) -> None:
        """Backfill all partitions.

        Args:
            make_follower: Makes the follower of a group.
            groups: How many groups to make; the histories of one are in memory at a time.

        Raises:
            ArchiveReadError: The archive cannot be read.
            EventLogStoreError: The store cannot be used.
        """
        bounds = [PARTITIONS * number // groups for number in range(groups + 1)]
        for number in range(groups):
            group = range(bounds[number], bounds[number + 1])
            follower = make_follower()

            def on_read(share: float, number: int = number) -> None:
                self._step((number + share / 2) / groups)

            follower.read_archive(group, on_read)
            for done, partition in enumerate(group, 1):
                if self._stop.is_set():
                    return
                self._backfill(follower, partition)
                follower.forget(partition)
                self._step((number + 0.5 + done / len(group) / 2) / groups)

    def _step(self, share: float) -> None:
        if not self._stop.is_set():
            self._progress.share = share
        self._on_step()

    def _backfill(self, follower: Follower, partition: int) -> None:
        self._read(follower, partition, ())
        waiting = [(user_id, 1) for user_id in follower.histories(partition)]
        while waiting and not self._stop.is_set():
            chunk, waiting = waiting[:_VISITORS_PER_CALL], waiting[_VISITORS_PER_CALL:]
            with self._pace.visitors(len(chunk)):
                changed = self._settle(follower, partition, [user_id for user_id, _ in chunk])
            again = [(user_id, tries + 1) for user_id, tries in chunk if user_id in changed]
            waiting += [each for each in again if each[1] <= _ATTEMPTS]
            self._progress.contended += sum(tries > _ATTEMPTS for _, tries in again)

    def _read(self, follower: Follower, partition: int, user_ids: Sequence[str]) -> PartitionRead:
        """Read until the histories are those of the moment of the states."""
        while (read := follower.read(partition, user_ids)).full and not self._stop.is_set():
            self._pace.pause()
        return read

    def _settle(self, follower: Follower, partition: int, user_ids: Sequence[str]) -> set[str]:
        """Read some visitors and write what has to be written; return those that changed in between."""
        read = self._read(follower, partition, user_ids)
        if self._stop.is_set():  # the histories may lack events
            return set()
        erasures = follower.erasures(partition)
        if erasures == UNFINISHED or read.erasures != erasures:
            self._progress.erased += len(user_ids)
            return set()
        now = self._clock() // _MICROS_PER_MILLI
        histories, is_whole = follower.histories(partition), follower.is_whole(partition)
        resolutions = [
            (user_id, self._resolver.resolve(blob, histories[user_id], now, log_is_whole=is_whole))
            for user_id, blob in zip(user_ids, read.blobs, strict=True)
        ]
        writes = [(user_id, resolution) for user_id, resolution in resolutions if resolution.state is not None]
        results = self._store.write(writes, partition=partition, erasures=erasures) if writes else []
        progress = self._progress
        if any(written < 0 for written in results):
            progress.erased += len(user_ids)
            return set()
        changed = {user_id for (user_id, _), written in zip(writes, results, strict=True) if not written}
        progress.outcomes.update(resolution.outcome for user_id, resolution in resolutions if user_id not in changed)
        progress.written += len(writes) - len(changed)
        progress.conflicts += len(changed)
        return changed
