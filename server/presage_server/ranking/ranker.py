"""Rankings, a little at a time: candidates and features of one list after the other, and scores of many in one run of a model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.intent import Intent
from presage_featurizer.ranking.placements import Arranged, Scored
from presage_featurizer.ranking.workspace import Workspace
from presage_server.errors import DeadlineError
from presage_server.ranking.current_items import ItemSource
from presage_server.ranking.exposures import ExposureLog, Ranked
from presage_server.ranking.finding import Candidates, find_candidates
from presage_server.ranking.jobs import RankJob, SimilarJob
from presage_server.ranking.listing import make_list
from presage_server.ranking.pairing import ListPairs
from presage_server.ranking.similar import list_similar
from presage_server.rpc.status import internal_error
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import Stages

__all__ = ["Ranker"]

_ROWS, _BRIEF_ROWS = 512, 256
"""Candidates scored at once, and where small calls wait for the end of it: then of one list at most."""


@dataclass(slots=True)
class _Begun:
    """A job whose candidates are known."""

    job: RankJob
    candidates: Candidates
    scores: NDArray[np.float64]
    scored: int = 0
    """How many of the candidates have their score."""


@dataclass(slots=True)
class _Done:
    """A job whose list is there."""

    begun: _Begun
    scored: Scored
    arranged: Arranged
    reply: bytes


class Ranker:
    """Ranks items for visitors whose states have been read. A list does not depend on what else is ranked with it.

    Args:
        items: All items.
        metrics: Counts rankings.
        exposures: Logs them; None logs none.
        pairs: Scores a share of them with other versions, too; None does not.
    """

    def __init__(
        self,
        items: ItemSource,
        metrics: Metrics,
        exposures: ExposureLog | None = None,
        pairs: ListPairs | None = None,
    ) -> None:
        self._items = items
        self._metrics = metrics
        self._exposures = exposures
        self._pairs = pairs
        self._workspace = Workspace()
        self._waiting: deque[RankJob] = deque()
        self._begun: deque[_Begun] = deque()

    @property
    def pending(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._waiting or self._begun)

    def add(self, job: RankJob) -> None:
        """Queue a job whose state is set, or that has to do without one."""
        job.queued = True
        stages = Stages(job.stages.started)
        stages.marks = list(job.stages.marks)
        job.stages = stages
        self._waiting.append(job)

    def work(self, now: float, *, briefly: bool, more_waits: bool = False) -> None:
        """Work on the oldest jobs for a while, and respond to those that are finished.

        Args:
            now: The time, in seconds of ``time.monotonic``.
            briefly: Whether other calls wait for the end of this.
            more_waits: Whether there are more jobs than have been added.
        """
        if briefly and not self._begun and not more_waits:
            # Its scores come in the next turn: small calls wait for its candidates and features, or for its scores, not for both.
            # With more to do, that is too slow: a turn takes time, too.
            if (begun := self._next(now)) is not None:
                self._begun.append(begun)
            return
        rows, lists = (_BRIEF_ROWS, 1) if briefly else (_ROWS, _ROWS)
        runs: list[tuple[_Begun, int]] = []
        while rows > 0 and len(runs) < lists and (begun := self._next(now)) is not None:
            if runs and runs[0][0].job.model is not begun.job.model:
                self._begun.appendleft(begun)
                break
            until = min(begun.scored + rows, len(begun.scores))
            rows -= max(1, until - begun.scored)
            runs.append((begun, until))
        if runs:
            self._score(runs)

    def find_similar(self, jobs: Iterable[SimilarJob]) -> None:
        """Find items like others, and respond."""
        features = self._items.features
        for job in jobs:
            try:
                list_similar(job, features)
            except Exception as error:  # noqa: BLE001 - the call's own
                job.call.fail(internal_error(error, job.call.method, job.call.metadata))
            else:
                job.respond(job)

    def _next(self, now: float) -> _Begun | None:
        """Return a job that needs scores: the one that has some, or the next one that can be answered."""
        if self._begun:
            return self._begun.popleft()
        while self._waiting:
            job = self._waiting.popleft()
            call = job.call
            if call.code is not None:  # cancelled
                continue
            if call.deadline <= now:
                call.fail(DeadlineError("the call's time was over before its turn came"))
                continue
            job.stages.mark("queue")
            try:
                return self._begin(job)
            except Exception as error:  # noqa: BLE001 - the call's own
                self._fail(job, error)
        return None

    def _begin(self, job: RankJob) -> _Begun:
        features = self._items.features
        candidates = find_candidates(job, features, self._workspace)
        job.epoch = features.items.epoch
        job.intent = int(candidates.context.intent)
        if job.state is not None:
            job.cold_start = False
        job.no_session = candidates.context.intent is Intent.UNSPECIFIED
        job.stages.mark("featurize")
        return _Begun(job, candidates, np.empty(len(candidates.rows)))

    def _fail(self, job: RankJob, error: Exception) -> None:
        """End a call whose list cannot be made with the version that it was routed to."""
        if not job.preview:
            self._metrics.versions.of_arm(job.model, job.arm).errors += 1
        job.call.fail(internal_error(error, job.call.method, job.call.metadata))

    def _score(self, runs: list[tuple[_Begun, int]]) -> None:
        """Score some candidates of jobs of one model in one run; if that fails, one job after the other."""
        try:
            self._run(runs)
        except Exception as error:  # noqa: BLE001 - whichever it was, its neighbours are served
            if len(runs) > 1:
                for run in runs:
                    self._score([run])
                return
            self._fail(runs[0][0].job, error)
            return
        finished = []
        for begun, until in runs:
            begun.job.stages.mark("model")
            if until < len(begun.scores):
                self._begun.append(begun)
            elif (done := self._finish(begun)) is not None:
                finished.append(done)
        # Together: each reply wakes the transport's threads, unless they are at work on the one before.
        for done in finished:
            done.begun.job.call.reply(done.reply)
        for done in finished:
            self._note(done)

    def _run(self, runs: list[tuple[_Begun, int]]) -> None:
        parts = [begun.candidates.features[begun.scored : until] for begun, until in runs]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        model, began = runs[0][0].job.model, monotonic()
        scores = model.scores(rows) if len(rows) else np.zeros(0)
        if len(rows) and not all(begun.job.preview for begun, _ in runs):
            self._metrics.versions.of(model).observe_run(monotonic() - began, len(rows))
        start = 0
        for begun, until in runs:
            end = start + until - begun.scored
            begun.scores[begun.scored : until] = scores[start:end]
            begun.scored, start = until, end

    def _finish(self, begun: _Begun) -> _Done | None:
        """Make the list and the reply of a job whose candidates have their scores."""
        job = begun.job
        if job.call.code is not None:
            return None
        try:
            scored, arranged = make_list(job, begun.candidates, begun.scores)
            done = _Done(begun, scored, arranged, job.encode(job))
        except Exception as error:  # noqa: BLE001 - the call's own
            job.call.fail(internal_error(error, job.call.method, job.call.metadata))
            return None
        job.stages.mark("encode")
        return done

    def _note(self, done: _Done) -> None:
        """Count a list, and log it, unless the visitor does not get to see it."""
        job, candidates, metrics = done.begun.job, done.begun.candidates, self._metrics
        metrics.observe_stages(job.stages, 1)
        if job.preview:
            return
        metrics.count_ranking(
            cold=job.cold_start,
            degraded=job.degraded,
            candidates=len(candidates.rows),
            given=candidates.given is not None,
        )
        counts = metrics.versions.of_arm(job.model, job.arm)
        counts.scores += 1
        counts.degraded += job.degraded
        if candidates.context.cold_digests:
            metrics.cold_items.inc(int(np.count_nonzero(candidates.context.is_cold(candidates.rows))))
        if self._exposures is not None:
            self._log(Ranked(job, candidates, done.scored, done.arranged), self._exposures)

    def _log(self, ranked: Ranked, exposures: ExposureLog) -> None:
        job, pairs = ranked.job, self._pairs
        if pairs is not None and job.route is not None and not job.degraded and pairs.draws(job.route):
            pairs.offer(ranked, job.route)
        else:
            exposures.offer(ranked)
