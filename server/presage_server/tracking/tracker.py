"""Tracking: events go through the fold into the store, each exactly once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec

from presage_featurizer import Event, NewerStateError, State, fold
from presage_server.errors import ContendedVisitorError, RpcError, StateTooNewError
from presage_server.pipeline.fair_turn import FairTurn
from presage_server.pipeline.queues import NamedQueues
from presage_server.store.snapshot import Change, Snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stopwatch import Stopwatch

__all__ = ["StateReader", "StateWriter", "Tracked", "Tracker"]

_logger = logging.getLogger(__name__)

_ATTEMPTS = 100
"""Tries at one compare-and-set. Each lost one means that another server's was made, so the visitor moves on all the same."""


class StateReader(Protocol):
    """Reads visitors."""

    async def read(self, user_ids: Sequence[str]) -> list[Snapshot]:
        """Read visitors, in the order of the ids."""
        ...


class StateWriter(Protocol):
    """Writes visitors by compare-and-set."""

    async def commit(self, changes: Sequence[Change]) -> list[Snapshot | RpcError | None]:
        """Make each change whose base still stands; answer with what stands instead, or why not, where one is not made."""
        ...


class Tracked(msgspec.Struct, frozen=True, gc=False):
    """What became of one event."""

    duplicate: bool
    """Whether it had been counted before."""
    state: State | None
    """The visitor's state right after it."""
    damaged: bool = False
    """Whether what was known of the visitor before could not be read."""


class Tracker:
    """Folds events into visitors' states, in the order in which they come."""

    def __init__(self, reader: StateReader, writer: StateWriter, metrics: Metrics) -> None:
        self._reader = reader
        self._writer = writer
        self._metrics = metrics
        self._queues = NamedQueues()

    async def track(self, events: Sequence[Event], stopwatch: Stopwatch | None = None) -> list[Tracked | RpcError]:
        """Fold events into their visitors' states, and put those that count into the event log.

        Events of one visitor are folded in their order and written at once.

        Args:
            events: What happened.
            stopwatch: Is told of the laps ``queue`` and ``store``.

        Returns:
            For each event what became of it, or why it could not be counted.

        Raises:
            StoreUnavailableError: The store does not answer; sending the same events again is safe.
        """
        positions: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            positions.setdefault(event.user_id, []).append(position)
        outcomes: dict[int, Tracked | RpcError] = {}
        stopwatch = stopwatch or Stopwatch()
        async with self._queues.turn(positions):
            self._metrics.stages["queue"].observe(stopwatch.lap("queue"))
            snapshots = dict(zip(positions, await self._reader.read(list(positions)), strict=True))
            turn = FairTurn()
            for _ in range(_ATTEMPTS):
                changes = []
                for user_id, snapshot in snapshots.items():
                    mine = positions[user_id]
                    if snapshot.damage is not None:
                        self._metrics.unreadable_states.inc()
                    if isinstance(snapshot.damage, NewerStateError):
                        outcomes.update(dict.fromkeys(mine, StateTooNewError(str(snapshot.damage))))
                        continue
                    change, tracked = _fold_all(user_id, snapshot, [events[position] for position in mine])
                    outcomes.update(zip(mine, tracked, strict=True))
                    if change is not None:
                        changes.append(change)
                    await turn.take(len(mine))
                snapshots = {}
                for change, instead in zip(changes, await self._write(changes), strict=True):
                    if isinstance(instead, RpcError):
                        outcomes.update(dict.fromkeys(positions[change.user_id], instead))
                    elif instead is not None:
                        snapshots[change.user_id] = instead
                if not snapshots:
                    break
        for user_id in snapshots:
            error = ContendedVisitorError(f"the visitor changed under {_ATTEMPTS} tries; try again")
            outcomes.update(dict.fromkeys(positions[user_id], error))
        self._metrics.stages["store"].observe(stopwatch.lap("store"))
        results = [outcomes[position] for position in range(len(events))]
        self._count(results)
        return results

    async def _write(self, changes: Sequence[Change]) -> list[Snapshot | RpcError | None]:
        """Write changes, as StateWriter does."""
        results = await self._writer.commit(changes) if changes else []
        for change, instead in zip(changes, results, strict=True):
            if isinstance(instead, Snapshot):
                self._metrics.store_conflicts.inc()
            elif instead is None and change.base.damage is not None:
                _logger.error(
                    "the unreadable state of visitor %r was kept aside and a new one begun: %s",
                    change.user_id,
                    change.base.damage,
                )
        return results

    def _count(self, results: Sequence[Tracked | RpcError]) -> None:
        for result in results:
            if isinstance(result, RpcError):
                self._metrics.events_refused.inc()
            elif result.duplicate:
                self._metrics.events_duplicate.inc()
            else:
                self._metrics.events_applied.inc()


def _fold_all(user_id: str, base: Snapshot, events: Sequence[Event]) -> tuple[Change | None, list[Tracked]]:
    """Fold one visitor's events; no change if all of them are duplicates."""
    state, applied, tracked = base.state, [], []
    for event in events:
        folded = fold(state, event)
        duplicate = folded is state
        if not duplicate:
            state = folded
            applied.append(event)
        tracked.append(Tracked(duplicate, state, damaged=base.damage is not None))
    change = Change(user_id, base, state, applied) if applied and state is not None else None
    return change, tracked
