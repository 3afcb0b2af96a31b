"""State to features to score, for many visitors at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from presage_featurizer import CoreState, NewerStateError, StateError, current_session, feature_rows, featurize
from presage_server.drift.counting import ServedCounts
from presage_server.errors import StateTooNewError, UnreadableStateError
from presage_server.log_ids import log_id
from presage_server.models.model import Model
from presage_server.rpc.status import internal_error
from presage_server.scoring.jobs import FeaturesJob, ScoreJob, Vectors, VectorsJob
from presage_server.scoring.pairing import Pairs
from presage_server.scoring.sampler import Sampler
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.seldom import Seldom
from presage_server.telemetry.stages import Stages
from presage_server.telemetry.versions import ArmCounts

__all__ = ["Scorer"]

_logger = logging.getLogger(__name__)

_NOTHING_COUNTED = ArmCounts()


class Scorer:
    """Scores visitors whose states have been read; a score does not depend on what else is scored with it.

    Args:
        metrics: Counts scores.
        sampler: Logs a share of the vectors; None logs none.
        pairs: Scores a share of the visitors with the other versions, too; None does not.
        counts: Counts features and scores; None counts none.
    """

    def __init__(
        self,
        metrics: Metrics,
        sampler: Sampler | None = None,
        pairs: Pairs | None = None,
        counts: ServedCounts | None = None,
    ) -> None:
        self._metrics = metrics
        self._sampler = sampler
        self._pairs = pairs
        self._counts = counts
        self._newer_logged = False
        self._unreadable_lines = Seldom()

    def set_state(self, job: ScoreJob, state: CoreState | StateError | None) -> None:
        """Give a job the state that was read; one that cannot be decoded makes the score degraded."""
        if isinstance(state, StateError):
            self.note_unreadable(job.user_id, state)
            job.degraded = True
        else:
            job.state = state

    def score(self, jobs: Sequence[ScoreJob], stages: Stages) -> None:
        """Score jobs whose states are set, with one run for each model version, count them, and respond to each."""
        self.compute(jobs, stages)
        self.count(jobs)
        for job in jobs:
            if job.error is None:
                job.respond(job, None)
        self.log(jobs)

    def compute(self, jobs: Sequence[ScoreJob], stages: Stages) -> None:
        """Score jobs whose states are set, with one run for each model version, and respond to those that fail."""
        models = {job.model for job in jobs}
        for model in models:
            of_model = jobs if len(models) == 1 else [job for job in jobs if job.model is model]
            try:
                self._score(of_model, model, stages)
            except Exception:  # noqa: BLE001 - whichever it was, its neighbours are served
                self._score_one_by_one(of_model, model, stages)

    def count(self, jobs: Sequence[ScoreJob]) -> None:
        """Count scores that are being served."""
        versions = self._metrics.versions
        degraded = cold = failed = scores = 0
        score_sum = 0.0
        served, counts = None, _NOTHING_COUNTED
        for job in jobs:
            route = job.route
            served_to_job = job.model if route is None else route
            if served_to_job is not served:  # most batches are of one version and arm: one look-up, one addition
                if scores:
                    counts.add(scores, score_sum)
                    scores, score_sum = 0, 0.0
                served = served_to_job
                counts = versions.of_arm(job.model, 0 if route is None else route.arm)
            if job.error is not None:
                failed += 1
                counts.errors += 1
                continue
            scores += 1
            score_sum += job.score
            if job.degraded:
                degraded += 1
                counts.degraded += 1
            elif job.cold_start:
                cold += 1
        counts.add(scores, score_sum)
        self._metrics.count_scores(known=len(jobs) - failed - degraded - cold, cold=cold, degraded=degraded)

    def log(self, jobs: Sequence[ScoreJob]) -> None:
        """Count features, log the vectors of a sample of scores, and take a share of them to be made with the other versions.

        Called once the callers have got their replies, and before the visitors' states can change.
        """
        if self._counts is not None:
            self._counts.note(jobs)
        sampler, pairs = self._sampler, self._pairs
        if sampler is None:
            return
        for job in jobs:
            if job.error is not None or job.degraded:
                continue
            route = job.route
            if pairs is not None and route is not None and route.pairs_share and pairs.draws(route):
                pairs.offer(job, route)
            elif sampler.draws():
                sampler.offer(job)

    def score_vectors(self, jobs: Iterable[VectorsJob]) -> None:
        """Score callers' own vectors, and respond."""
        for job in jobs:
            try:
                scores = job.model.predict(job.rows)
            except Exception as error:  # noqa: BLE001 - the call's own
                job.call.fail(internal_error(error, job.call.method, job.call.metadata))
            else:
                job.respond(job, scores)

    def features(self, job: FeaturesJob, state: CoreState | StateError | None) -> None:
        """Assemble the vector that a model of the feature set would see, and respond."""
        if isinstance(state, StateError):
            self.note_unreadable(job.user_id, state)
            error = StateTooNewError if isinstance(state, NewerStateError) else UnreadableStateError
            job.call.fail(error(str(state)))
            return
        try:
            vector = featurize(state, job.now_unix_micros, job.feature_set, session_id=job.session_id)
        except Exception as error:  # noqa: BLE001 - the call's own
            job.call.fail(internal_error(error, job.call.method, job.call.metadata))
        else:
            if state is not None:
                _note_history(job, state)
            job.respond(job, vector)

    def _score(self, jobs: Sequence[ScoreJob], model: Model, stages: Stages) -> None:
        rows = _feature_rows(jobs, model)
        stages.mark("featurize")
        scores = model.predict(rows)
        stages.mark("model")
        self._metrics.versions.of(model).observe_run(stages.last_seconds, len(rows))
        for row, job in enumerate(jobs):
            job.score = scores[row]
            job.rows = rows
            job.row = row
            if job.state is not None:
                _note_history(job, job.state)

    def _score_one_by_one(self, jobs: Sequence[ScoreJob], model: Model, stages: Stages) -> None:
        for job in jobs:
            try:
                self._score([job], model, stages)
            except Exception as error:  # noqa: BLE001 - the call's own
                job.error = internal_error(error, job.call.method, job.call.metadata)
                job.respond(job, job.error)

    def note_unreadable(self, user_id: str, error: StateError) -> None:
        """Count a state that cannot be decoded, and log it."""
        self._metrics.unreadable_states.inc()
        if not isinstance(error, NewerStateError):
            if self._unreadable_lines.passes():
                _logger.error(
                    "the state of visitor %s cannot be read, it is left as it is: %s%s",
                    log_id(user_id),
                    error,
                    self._unreadable_lines.left_out(),
                )
        elif not self._newer_logged:  # during a roll-out, once is enough
            _logger.warning(
                "a newer release wrote states that this one cannot read, such as that of visitor %s", log_id(user_id)
            )
            self._newer_logged = True


def _note_history(job: ScoreJob | FeaturesJob, state: CoreState) -> None:
    """Note that something is known of a visitor, and whether a session is open."""
    job.cold_start = False
    job.no_session = current_session(state, job.now_unix_micros, job.session_id) is None


def _feature_rows(jobs: Sequence[ScoreJob], model: Model) -> Vectors:
    return feature_rows(
        [job.state for job in jobs],
        [job.now_unix_micros for job in jobs],
        [job.session_id for job in jobs],
        model.feature_set,
    )
