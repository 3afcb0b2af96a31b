"""What happens to calls: they are queued, decoded in batches, and answered, with one round trip to the store for a whole batch.

    calls -> decode all -> one read -> fold; send the commits -> features and scores, one run per model version -> replies

Everything here runs in one thread and never waits, but for ``wait_seconds`` of the store in a turn. With a store across a
network the next batch is started while the one before waits for its reply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from time import monotonic

from presage_featurizer import CoreState, StateError
from presage_featurizer.state import StatePart
from presage_server.call import Call
from presage_server.errors import DeadlineError, RpcError
from presage_server.pipeline.after_replies import AfterReplies
from presage_server.pipeline.batch import Batch
from presage_server.pipeline.intake import Intake
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.pipeline.rank_reads import RankReads
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.status import internal_error
from presage_server.scoring.jobs import ScoreJob
from presage_server.scoring.scorer import Scorer
from presage_server.store.redis_store import Blob, RedisStore, unavailable
from presage_server.store.snapshot import read_state
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.jobs import Update
from presage_server.tracking.tracker import Tracker

__all__ = ["Pipeline"]

_LATE_SECONDS = 0.005
"""A read that takes longer than this is looked at: whose calls cannot wait any more?"""
_OVERLAPPING = 2
"""Batches that are started before the replies to the first are waited for."""
_IDLE_SECONDS = 0.5


class Pipeline:
    """Processes calls. All methods are for one thread.

    Args:
        intake: Turns calls into batches.
        store: Holds the visitors.
        tracker: Applies events.
        scorer: Scores visitors.
        ranker: Ranks items for visitors.
        overload: Learns what work costs.
        metrics: Counts stages.
        wait_seconds: How long a turn waits for the store's replies.
        after_replies: What is done once the replies of a batch have been sent.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        store: RedisStore,
        tracker: Tracker,
        scorer: Scorer,
        ranker: Ranker,
        overload: OverloadPolicy,
        metrics: Metrics,
        wait_seconds: float,
        after_replies: AfterReplies | None = None,
    ) -> None:
        self._intake = intake
        self._store = store
        self._link = store.link
        self._tracker = tracker
        self._scorer = scorer
        self._ranker = ranker
        self._rank_reads = RankReads(ranker, store, scorer)
        self._overload = overload
        self._metrics = metrics
        self._wait_seconds = wait_seconds
        self._after_replies = after_replies or AfterReplies()
        self._reading: deque[Batch] = deque()
        """Batches whose read has not been answered."""
        self._pumped = True
        """Whether the last turn looked for replies."""
        self._late_at = 0.0

    def turn(self, calls: list[Call]) -> float:
        """Take on the calls that have arrived, process a batch, and handle the store's replies.

        Returns:
            After how many seconds the next turn is due at the latest, with or without new calls.
        """
        link = self._link
        now = monotonic()
        ranker = self._ranker
        batch, units = self._intake.next_batch(calls, now, required=self._tracker.ready, heavy=not ranker.pending)
        if batch is not None:
            self._start(batch)
        intake = self._intake
        waiting = intake.waiting or (intake.heavy_waiting and not ranker.pending)
        if waiting and len(self._reading) < _OVERLAPPING and self._pumped:
            link.flush()  # the store works on this batch while the next one is decoded
            self._pumped = False  # at the end of the next turn, replies and new connections are looked for in any case
        else:
            # Rankings are worked on while the store is, unless small calls would wait for the end of that.
            is_waited_for = not ranker.pending or (link.fast and any(batch.has_small for batch in self._reading))
            link.pump(self._wait_seconds if is_waited_for else 0.0)
            self._pumped = True
        if self._reading or link.pending:
            self._look_for_late(monotonic())
        if ranker.pending:
            # After all scores have been sent, and not much at once where more of them may have come.
            now = monotonic()
            ranker.work(now, briefly=intake.small_lately(now), more_waits=intake.heavy_waiting)
        if units:
            self._overload.note_work(units)
        due = self._after_replies.work(now, idle=not (units or waiting or link.pending or ranker.pending))
        if intake.waiting or intake.heavy_waiting or self._tracker.ready or ranker.pending or link.pending:
            return 0.0
        if not units:
            self._overload.note_idle()
        return min(due, _LATE_SECONDS if link.down else _IDLE_SECONDS)

    def _start(self, batch: Batch) -> None:
        """Send one read for all of a batch, and do meanwhile what needs no store."""
        updates = self._tracker.begin(batch.events) if batch.events or self._tracker.ready else []
        if updates:
            known = [update for update in updates if update.snapshot is not None]
            batch.updates = [update for update in updates if update.snapshot is None]
            if known:
                self._fold(batch, known)
        if batch.scores or batch.features or batch.ranks or batch.updates:
            server_of = self._store.divider()
            for part in (batch,) if server_of is None else batch.split(server_of):
                self._read_for(part)
            self._link.flush()
        if batch.vectors:
            self._scorer.score_vectors(batch.vectors)
        if batch.similar:
            self._ranker.find_similar(batch.similar)

    def _read_for(self, batch: Batch) -> None:
        self._reading.append(batch)
        user_ids = [job.user_id for job in batch.scores]
        user_ids += [job.user_id for job in batch.features]
        user_ids += [job.user_id for job in batch.ranks]
        user_ids += [update.user_id for update in batch.updates]
        self._store.read(user_ids, partial(self._on_blobs, batch))

    def _on_blobs(self, batch: Batch, blobs: Sequence[Blob] | None) -> None:
        """Process a batch whose visitors have been read; None: the store does not answer."""
        self._reading.remove(batch)
        try:
            self._process(batch, blobs)
        except Exception as error:  # noqa: BLE001 - a defect must not take the calls of other batches along
            failure = internal_error(error, "batch")  # one line in the log, whose id all of them get
            calls = [job.call for job in batch.scores]
            calls += [job.call for job in batch.features]
            calls += [job.call for job in batch.ranks]
            calls += [job.call for job in batch.events]
            for call in calls:
                call.fail(failure)
            # Their visitors must not wait for updates that nothing will finish.
            lost = [update for update in batch.updates if update.jobs and update.change is None]
            self._tracker.fail(lost, failure)

    def _process(self, batch: Batch, blobs: Sequence[Blob] | None) -> None:
        stages = batch.stages
        stages.mark("store")
        scores, features, ranks, updates = batch.scores, batch.features, batch.ranks, batch.updates
        if blobs is None:
            self._tracker.fail(updates, unavailable())
            for features_job in features:
                features_job.call.fail(unavailable())
            self._degrade(batch, scores)
            self._rank_reads.degrade(ranks)
            return
        if updates:
            self._set_snapshots(batch, blobs[len(scores) + len(features) + len(ranks) :])
        for job, blob in zip(features, blobs[len(scores) :], strict=False):
            self._scorer.features(job, self._read(job.call, blob, needs=job.feature_set.needs))
        if scores:
            self._score(batch, scores, blobs)
        if ranks:
            self._rank_reads.add(ranks, blobs[len(scores) + len(features) :])

    def _score(self, batch: Batch, jobs: list[ScoreJob], blobs: Sequence[Blob]) -> None:
        ready = []
        for job, blob in zip(jobs, blobs, strict=False):
            if job.call.code is not None or job.rows is not None:  # cancelled, or the caller could not wait
                continue
            if blob.__class__ is bytes:
                try:
                    route = job.route
                    state = read_state(blob, job.model.feature_set.needs if route is None else route.needs)
                except Exception as error:  # noqa: BLE001 - the visitor's own
                    job.call.fail(internal_error(error, job.call.method, job.call.metadata))
                    continue
                if isinstance(state, StateError):
                    self._scorer.set_state(job, state)
                else:
                    job.state = state
            elif blob is not None:
                try:
                    self._scorer.set_state(job, self._store.snapshot(blob).damage)
                except RpcError:  # the store rejects reads, as while it loads its data
                    job.degraded = True
            ready.append(job)
        if ready:
            self._scorer.score(ready, batch.stages)
            batch.stages.mark("encode")
            self._metrics.observe_stages(batch.stages, len(ready))

    def _read(self, call: Call, blob: Blob, *, needs: frozenset[StatePart]) -> CoreState | StateError | None:
        """Decode a blob, whatever is wrong with it."""
        try:
            if blob is None or isinstance(blob, bytes):
                return read_state(blob, needs)
            return self._store.snapshot(blob).damage
        except RpcError as error:
            call.fail(error)
        except Exception as error:  # noqa: BLE001 - the visitor's own
            call.fail(internal_error(error, call.method, call.metadata))
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
        """Fold events and send the commits; while the store processes them, compute the scores that are wanted."""
        scores = self._tracker.fold(updates, batch.stages)
        self._link.flush()
        batch.stages.mark("fold")
        if scores:
            for job in scores:
                job.stages = batch.stages
            self._scorer.compute(scores, batch.stages)
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
            self._rank_reads.degrade([job for job in batch.ranks if 2 * now >= job.call.received + job.call.deadline])
        self._tracker.fail_late(now, _late())

    def _degrade(self, batch: Batch, jobs: list[ScoreJob]) -> None:
        """Score visitors without their history, marked as degraded."""
        for job in jobs:
            job.degraded = True
        waiting = [job for job in jobs if job.call.code is None and job.rows is None]
        if waiting:
            self._scorer.score(waiting, batch.stages)


def _late() -> DeadlineError:
    return DeadlineError("no reply from the store before the deadline")
