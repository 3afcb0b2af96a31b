"""What happens to calls: they are queued, decoded in batches, and answered, with one round trip to the store for a whole batch.

    calls -> decode all -> one read -> fold; send the commits -> features and scores, one run per model version -> replies

Everything here runs in one thread and never waits, but for ``wait_seconds`` of the store in a turn. With a store across a
network the next batch is started while the one before waits for its reply.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from time import monotonic

from presage_featurizer import CoreState, StateError
from presage_server.call import Call
from presage_server.errors import DeadlineError, OverloadedError, RpcError
from presage_server.pipeline.backlog import Backlog, LargeCall
from presage_server.pipeline.batch import Batch
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.rpc.registry import Interceptor, Method
from presage_server.rpc.status import internal_error
from presage_server.scoring.jobs import ScoreJob
from presage_server.scoring.scorer import Scorer
from presage_server.store.redis_store import Blob, RedisStore, unavailable
from presage_server.store.snapshot import read_state
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.jobs import Update
from presage_server.tracking.tracker import Tracker

__all__ = ["Pipeline"]

_logger = logging.getLogger(__name__)

_MIN_SECONDS = 0.001
"""A call with less time left is ended at once: its caller would not see the reply."""
_LARGE_UNITS = 16
"""Requests with more work than this are processed in slices."""
_SLICE_UNITS = 32
"""The work of a slice beside small calls; while none wait, a slice is a whole batch."""
_LATE_SECONDS = 0.005
"""A read that takes longer than this is looked at: whose calls cannot wait any more?"""
_IDLE_SECONDS = 0.5


class Pipeline:
    """Processes calls. All methods are for one thread.

    Args:
        methods: What is served.
        interceptors: Run in order on each call's metadata before its request is parsed.
        store: Holds the visitors.
        tracker: Applies events.
        scorer: Scores visitors.
        overload: Decides which calls are rejected.
        metrics: Counts calls and stages.
        timeout_seconds: The longest time that any call may take.
        wait_seconds: How long a turn waits for the store's replies; 0 where an event loop watches its socket.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        interceptors: Sequence[Interceptor] = (),
        *,
        store: RedisStore,
        tracker: Tracker,
        scorer: Scorer,
        overload: OverloadPolicy,
        metrics: Metrics,
        timeout_seconds: float,
        wait_seconds: float,
    ) -> None:
        self._methods = {method.path: method for method in methods}
        self._interceptors = interceptors
        self._store = store
        self._link = store.link
        self._tracker = tracker
        self._scorer = scorer
        self._overload = overload
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._wait_seconds = wait_seconds
        self._backlog = Backlog()
        self._reading: deque[Batch] = deque()
        """Batches whose read has not been answered."""
        self._late_at = 0.0

    def turn(self, calls: list[Call]) -> float:
        """Take on the calls that have arrived, process a batch, and handle the store's replies.

        Returns:
            After how many seconds the next turn is due at the latest, with or without new calls.
        """
        now = monotonic()
        accepted = self._accept(calls, now) if calls else calls
        batch, units = self._next_batch(accepted, now)
        if batch is not None:
            self._start(batch)
        self._link.pump(self._wait_seconds)
        if self._reading or self._link.pending:
            self._look_for_late(monotonic())
        if units:
            self._overload.note_work(units)
        if self._backlog or self._tracker.ready:
            return 0.0
        if self._link.pending:
            return 0.0 if self._wait_seconds else _LATE_SECONDS
        return _LATE_SECONDS if self._link.down else _IDLE_SECONDS

    def _accept(self, calls: list[Call], now: float) -> list[Call]:
        """Check calls before their requests are parsed, and weigh them."""
        accepted = []
        timeout_seconds, on_end, interceptors = self._timeout_seconds, self._metrics.count_call, self._interceptors
        for call in calls:
            call.on_end = on_end
            if call.code is not None:  # it ended before it was taken
                on_end(call)
                continue
            latest = call.received + timeout_seconds
            call.deadline = min(call.deadline, latest)
            if call.deadline - now < _MIN_SECONDS:
                call.fail(DeadlineError("the call arrived with no time left"))
                continue
            try:
                for interceptor in interceptors:
                    interceptor.intercept(call)
            except Exception as error:  # noqa: BLE001 - the call's own
                call.fail(error if isinstance(error, RpcError) else internal_error(error, call.method))
                continue
            method = self._methods[call.method]
            call.units = method.units + len(call.request) // method.bytes_per_unit
            accepted.append(call)
        return accepted

    def _next_batch(self, calls: list[Call], now: float) -> tuple[Batch | None, int]:
        """Choose the calls of the next batch and decode them; return the batch and its units of work."""
        backlog, overload = self._backlog, self._overload
        small = [call for call in calls if call.units <= _LARGE_UNITS]
        if len(small) < len(calls):
            self._open_large([call for call in calls if call.units > _LARGE_UNITS], now)
        if backlog.units or len(small) > overload.batch_units:
            self._queue(small, now)
            small = backlog.take(overload.batch_units, newest_first=overload.overloaded)
        if not small and not backlog.large and not self._tracker.ready:
            return None, 0
        batch = Batch(now)
        units = sum([call.units for call in small])
        for call in small:
            self._decode(call, batch, now)
        if backlog.large:
            units += self._add_slice(batch, _SLICE_UNITS if small else overload.batch_units, now)
        batch.stages.mark("decode")
        return batch, units

    def _queue(self, calls: list[Call], now: float) -> None:
        """Queue calls, and reject those that could not be answered in time."""
        backlog, overload = self._backlog, self._overload
        queued = []
        ahead = backlog.units
        rejected = []
        for call in calls:
            if overload.can_answer(call, ahead, now):
                queued.append(call)
                ahead += call.units
            else:
                rejected.append(call)
        backlog.add(queued)
        oldest = backlog.oldest
        if oldest is not None:
            overload.note_queue(backlog.units, max(0.0, oldest.deadline - now))
        if overload.overloaded:
            rejected += backlog.shorten(overload.queue_units)
        if rejected:
            overload.note_rejected()
            error = OverloadedError(
                "more calls are waiting than can be answered in time; try again, later or elsewhere"
            )
            for call in rejected:
                call.fail(error)

    def _open_large(self, calls: list[Call], now: float) -> None:
        """Parse calls that may be large; they join the backlog."""
        for call in calls:
            method = self._methods[call.method]
            if not self._overload.can_answer(call, self._backlog.units + call.units, now):
                self._overload.note_rejected()
                call.fail(OverloadedError("the call could not be answered in time; try again, later or elsewhere"))
            elif method.open is None:
                self._backlog.add((call,))
            else:
                try:
                    self._backlog.large.append(LargeCall(call, method.open(call)))
                except Exception as error:  # noqa: BLE001 - the call's own
                    call.fail(error if isinstance(error, RpcError) else internal_error(error, call.method))

    def _decode(self, call: Call, batch: Batch, now: float) -> None:
        """Decode a small call into a batch."""
        if call.deadline <= now:
            call.fail(DeadlineError("the call's time was over before its turn came"))
            return
        method = self._methods[call.method]
        try:
            if method.decode is not None:
                method.decode(call, batch)
            elif method.open is not None and (slices := method.open(call)).add_to(batch, _LARGE_UNITS):
                self._backlog.large.append(LargeCall(call, slices))
        except Exception as error:  # noqa: BLE001 - the call's own
            call.fail(error if isinstance(error, RpcError) else internal_error(error, call.method))

    def _add_slice(self, batch: Batch, units: int, now: float) -> int:
        """Decode the next part of the large call whose turn it is; return its units of work."""
        large = self._backlog.large
        first = large.popleft()
        call = first.call
        if call.deadline <= now:
            call.fail(DeadlineError("the call's time was over before all of it was processed"))
        if call.code is not None:
            return 0
        try:
            if first.slices.add_to(batch, units):
                large.append(first)
        except Exception as error:  # noqa: BLE001 - the call's own
            call.fail(error if isinstance(error, RpcError) else internal_error(error, call.method))
        return units

    def _start(self, batch: Batch) -> None:
        """Send one read for all of a batch, and do meanwhile what needs no store."""
        updates = self._tracker.begin(batch.events) if batch.events or self._tracker.ready else []
        if updates:
            known = [update for update in updates if update.snapshot is not None]
            batch.updates = [update for update in updates if update.snapshot is None]
            if known:
                self._fold(batch, known)
        scores, features = batch.scores, batch.features
        if scores or features or batch.updates:
            self._reading.append(batch)
            user_ids = [job.user_id for job in scores]
            user_ids += [job.user_id for job in features]
            user_ids += [update.user_id for update in batch.updates]
            self._store.read(user_ids, partial(self._on_blobs, batch))
            self._link.flush()
        if batch.vectors:
            self._scorer.score_vectors(batch.vectors)

    def _on_blobs(self, batch: Batch, blobs: Sequence[Blob] | None) -> None:
        """Process a batch whose visitors have been read; None: the store does not answer."""
        self._reading.remove(batch)
        stages = batch.stages
        stages.mark("store")
        scores, features, updates = batch.scores, batch.features, batch.updates
        if blobs is None:
            self._tracker.fail(updates, unavailable())
            for features_job in features:
                features_job.call.fail(unavailable())
            self._degrade(batch, scores)
            return
        if updates:
            self._set_snapshots(batch, blobs[len(scores) + len(features) :])
        for job, blob in zip(features, blobs[len(scores) :], strict=False):
            self._scorer.features(job, self._read(job.call, blob, needs=job.feature_set.uses_habits))
        if scores:
            self._score(batch, scores, blobs)

    def _score(self, batch: Batch, jobs: list[ScoreJob], blobs: Sequence[Blob]) -> None:
        ready = []
        for job, blob in zip(jobs, blobs, strict=False):
            if (
                job.call.code is not None or job.rows is not None
            ):  # cancelled, or its caller could not wait for the store
                continue
            if blob.__class__ is bytes:
                try:
                    state = read_state(blob, habits=job.model.feature_set.uses_habits)
                except Exception as error:  # noqa: BLE001 - the visitor's own
                    job.call.fail(internal_error(error, job.call.method))
                    continue
                if isinstance(state, StateError):
                    self._scorer.set_state(job, state)
                else:
                    job.state = state
            elif blob is not None:
                self._scorer.set_state(job, self._read(job.call, blob, needs=False))
            ready.append(job)
        if ready:
            self._scorer.score(ready, batch.stages)
            batch.stages.mark("encode")
            self._metrics.observe_stages(batch.stages, len(ready))

    def _read(self, call: Call, blob: Blob, *, needs: bool) -> CoreState | StateError | None:
        """Decode a blob, whatever is wrong with it."""
        try:
            if blob is None or isinstance(blob, bytes):
                return read_state(blob, habits=needs)
            return self._store.snapshot(blob).damage
        except RpcError as error:
            call.fail(error)
        except Exception as error:  # noqa: BLE001 - the visitor's own
            call.fail(internal_error(error, call.method))
        return None

    def _set_snapshots(self, batch: Batch, blobs: Sequence[Blob]) -> None:
        readable = []
        for update, blob in zip(batch.updates, blobs, strict=True):
            try:
                update.snapshot = self._store.snapshot(blob)
            except RpcError as error:
                self._tracker.fail([update], error)
            except Exception as error:  # noqa: BLE001 - the visitor's own
                self._tracker.fail([update], internal_error(error, "read"))
            else:
                readable.append(update)
        self._fold(batch, readable)

    def _fold(self, batch: Batch, updates: Sequence[Update]) -> None:
        """Fold events and send the commits; while the store processes them, score what is wanted."""
        scores = self._tracker.fold(updates, batch.stages)
        self._link.flush()
        batch.stages.mark("fold")
        if scores:
            for job in scores:
                job.stages = batch.stages
            self._scorer.score(scores, batch.stages)
        self._tracker.finish_unchanged(updates)

    def _look_for_late(self, now: float) -> None:
        """End what cannot wait for the store any longer. A score waits for half of its time; the other half is for the reply."""
        if now < self._late_at:
            return
        self._late_at = now + _LATE_SECONDS
        for batch in list(self._reading):
            if now - batch.stages.started < _LATE_SECONDS:
                break
            self._degrade(
                batch,
                [
                    job
                    for job in batch.scores
                    if job.call.code is None and job.rows is None and 2 * now >= job.call.received + job.call.deadline
                ],
            )
            for features_job in batch.features:
                if features_job.call.deadline <= now:
                    features_job.call.fail(_late())
        self._tracker.fail_late(now, _late())

    def _degrade(self, batch: Batch, jobs: list[ScoreJob]) -> None:
        """Score visitors as if nothing was known of them, and say so."""
        for job in jobs:
            job.degraded = True
        waiting = [job for job in jobs if job.call.code is None and job.rows is None]
        if waiting:
            self._scorer.score(waiting, batch.stages)


def _late() -> DeadlineError:
    return DeadlineError("no reply from the store before the deadline")
