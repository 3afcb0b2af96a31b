"""Events folded into visitors' states and written by compare-and-set, each exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from presage_featurizer import NO_AGGREGATES, Aggregates, NewerStateError, fold
from presage_featurizer.fold import fold_in_place
from presage_featurizer.wrong_clock import with_server_clock
from presage_server.clock import Clock, system_clock
from presage_server.errors import ContendedVisitorError, DeadlineError, RpcError, StateTooNewError
from presage_server.log_ids import log_id
from presage_server.rpc.status import internal_error
from presage_server.scoring.jobs import ScoreJob
from presage_server.store.redis_store import CommitResult, RedisStore
from presage_server.store.snapshot import Change, Snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import Stages
from presage_server.tracking.jobs import EventJob, Update
from presage_server.tracking.recent import RecentSnapshots

__all__ = ["Tracker"]

_logger = logging.getLogger(__name__)

_ATTEMPTS = 100
"""Tries at one compare-and-set. Each lost one means that another server's succeeded, so the visitor makes progress all the same."""

_MAX_EVENTS = 64
"""Events in one update, so that a very busy visitor does not hold up the others of a batch."""


class Tracker:
    """Applies events to visitors. One update of a visitor is in flight at a time; events that come meanwhile follow it.

    Args:
        store: Takes the changes.
        metrics: Counts events.
        recent: Remembers what was last written of visitors.
        count_scores: Called with the scores of events that have been stored.
        clock: Shows which states are too far ahead to be trusted.
        aggregates: What else the fold keeps, for a project's own features.
        log_scores: Called with the same scores when their callers have got them.
    """

    def __init__(
        self,
        store: RedisStore,
        metrics: Metrics,
        recent: RecentSnapshots,
        count_scores: Callable[[Sequence[ScoreJob]], None],
        clock: Clock = system_clock,
        *,
        aggregates: Aggregates = NO_AGGREGATES,
        log_scores: Callable[[Sequence[ScoreJob]], None] = lambda _: None,
    ) -> None:
        self._log_scores = log_scores
        self._store = store
        self._metrics = metrics
        self._recent = recent
        self._count_scores = count_scores
        self._clock = clock
        self._aggregates = aggregates
        self._in_flight: dict[str, Update] = {}
        self._ready: list[Update] = []
        """Updates that go into the next batch: they lost a compare-and-set, or waited for one."""

    @property
    def ready(self) -> bool:
        """Whether updates wait for the next batch."""
        return bool(self._ready)

    def begin(self, jobs: Sequence[EventJob]) -> list[Update]:
        """Group events into updates by visitor, together with the updates that are ready."""
        updates, self._ready = self._ready, []
        in_flight = self._in_flight
        for job in jobs:
            user_id = job.event.user_id
            update = in_flight.get(user_id)
            if update is None:
                known = self._recent.take(user_id)
                update = in_flight[user_id] = Update(user_id, known, known is not None)
                updates.append(update)
                update.jobs.append(job)
            elif not update.folded and len(update.jobs) < _MAX_EVENTS:
                update.jobs.append(job)
            else:
                update.waiting.append(job)
        return updates

    def fold(self, updates: Sequence[Update], stages: Stages) -> list[ScoreJob]:
        """Fold updates whose snapshots are there, and send the changes.

        Returns:
            The scores that are wanted after these events, with their states.
        """
        scores: list[ScoreJob] = []
        changed: list[Update] = []
        for update in updates:
            try:
                if self._fold(update):
                    changed.append(update)
            except Exception as error:  # noqa: BLE001 - the visitor's own; its neighbours are served
                self._fail(update, internal_error(error, "fold"))
                continue
            scores += [job.score for job in update.jobs if job.score is not None and update.snapshot is not None]
        if changed:
            for together in self._store.divide(changed):
                self._commit(together, stages)
        return scores

    def finish_unchanged(self, updates: Sequence[Update]) -> None:
        """Respond to events that changed nothing: duplicates. Their scores have been made by now."""
        for update in updates:
            if update.change is None and update.snapshot is not None and update.jobs:
                self._finish(update, update.snapshot)

    def fail(self, updates: Sequence[Update], error: RpcError) -> None:
        """Reject the events of updates that could not be read."""
        for update in updates:
            self._fail(update, error)

    def _fold(self, update: Update) -> bool:
        """Fold an update's events into its snapshot; return whether that makes a change to be written."""
        base = update.snapshot
        assert base is not None
        update.folded = True
        if base.damage is not None:
            self._metrics.unreadable_states.inc()
            if isinstance(base.damage, NewerStateError):
                self._fail(update, StateTooNewError(str(base.damage)))
                return False
        state = base.state
        owned = True  # the update alone refers to the state: it was decoded for it, or taken from the recent ones
        applied = []
        now = self._clock()
        for job in update.jobs:
            job.event = event = with_server_clock(job.event, state, now)
            if state is None or not owned:
                folded = fold(state, event, self._aggregates)
                job.duplicate = folded is state
                owned = owned or not job.duplicate
                state = folded
            else:
                job.duplicate = not fold_in_place(state, event, self._aggregates)
            if not job.duplicate:
                applied.append(event)
                if event.server_clock_unix_micros:
                    self._metrics.states_ahead.inc()
            if job.score is not None:
                job.score.state = state
                job.score.degraded = base.damage is not None
                owned = False
        if applied:
            assert state is not None
            update.change = Change(update.user_id, base, state, applied)
            return True
        update.change = None
        if update.cached:  # only a read shows that what they duplicate is still there
            update.snapshot, update.cached, update.folded = None, False, False
            self._ready.append(update)
        return False

    def _commit(self, updates: Sequence[Update], stages: Stages) -> None:
        changes = [update.change for update in updates if update.change is not None]
        try:
            self._store.commit(changes, partial(self._on_results, updates, stages))
        except Exception as error:  # noqa: BLE001 - their visitors must not wait for these updates forever
            self.fail(updates, internal_error(error, "commit"))

    def _on_results(self, updates: Sequence[Update], stages: Stages, results: Sequence[CommitResult]) -> None:
        stages.mark("store")
        self._metrics.observe_stages(stages, sum([len(update.jobs) for update in updates]))
        for update, result in zip(updates, results, strict=True):
            change = update.change
            assert change is not None
            if isinstance(result, bytes):
                if change.base.damage is not None:
                    _logger.error(
                        "the unreadable state of visitor %s was quarantined and a new one started: %s",
                        log_id(update.user_id),
                        change.base.damage,
                    )
                self._finish(update, Snapshot(change.state, result))
            elif isinstance(result, RpcError):
                self._fail(update, result)
            else:
                self._retry(update, result)

    def _retry(self, update: Update, found: Snapshot) -> None:
        self._metrics.store_conflicts.inc()
        update.attempts += 1
        update.snapshot, update.cached, update.change, update.folded = found, False, None, False
        if update.attempts < _ATTEMPTS:
            self._ready.append(update)
        else:
            self._fail(update, ContendedVisitorError(f"the visitor changed during {_ATTEMPTS} attempts; try again"))

    def _finish(self, update: Update, snapshot: Snapshot) -> None:
        metrics = self._metrics
        scores = [job.score for job in update.jobs if job.score is not None]
        if scores:
            self._count_scores(scores)
        for job in update.jobs:
            (metrics.events_duplicate if job.duplicate else metrics.events_applied).inc()
            job.respond(job, None)
        if scores:
            self._log_scores(scores)  # before the next event can change the state that they were made from
        self._follow(update, snapshot)

    def _fail(self, update: Update, error: RpcError) -> None:
        self._metrics.events_rejected.inc(len(update.jobs))
        for job in update.jobs:
            job.respond(job, error)
        self._follow(update, None)

    def _follow(self, update: Update, snapshot: Snapshot | None) -> None:
        """Let the events that waited for an update go into the next batch, or else remember what is stored now."""
        update.jobs = []
        now = monotonic()
        waiting = []
        for job in update.waiting:
            if job.call.code is None and job.call.deadline > now:
                waiting.append(job)
            else:
                self._metrics.events_rejected.inc()
                job.respond(job, DeadlineError("no time left when the visitor's earlier events were stored"))
        if not waiting:
            del self._in_flight[update.user_id]
            if snapshot is not None:
                self._recent.put(update.user_id, snapshot)
            return
        following = self._in_flight[update.user_id] = Update(update.user_id, snapshot, snapshot is not None)
        following.jobs, following.waiting = waiting[:_MAX_EVENTS], waiting[_MAX_EVENTS:]
        self._ready.append(following)

    def fail_late(self, now: float, error: RpcError) -> None:
        """End the calls of events whose deadline has passed; whether their events are stored is not known."""
        for update in self._in_flight.values():
            for job in (*update.jobs, *update.waiting):
                if job.call.deadline <= now:
                    job.call.fail(error)
