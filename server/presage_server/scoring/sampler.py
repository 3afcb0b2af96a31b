"""A sample of the vectors that were served, for an audit to compare with what a replay of the event log gives, and for verdicts."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from presage_featurizer.event_log import VECTOR_FIELD, ServedVector, encode_served_vector, last_event_of
from presage_server.scoring.jobs import ScoreJob
from presage_server.store.lossy_log import EntryWriter, LossyLog
from presage_server.telemetry.metrics import Metrics

__all__ = ["Sampler", "served_vector"]


class Sampler:
    """Logs a share of the vectors.

    Args:
        share: The share of scores whose vector is logged, 0 to 1.
        random: Returns a number from 0 to below 1.
        writer: Takes the vectors.
        metrics: Counts how many were logged and dropped.
        clock: Seconds.
    """

    def __init__(
        self,
        *,
        share: float,
        random: Callable[[], float],
        writer: EntryWriter,
        metrics: Metrics,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._share = share
        self._random = random
        self._log = LossyLog(
            what="sampled vectors",
            field=VECTOR_FIELD,
            writer=writer,
            logged=metrics.vectors_logged,
            dropped=metrics.vectors_dropped,
            clock=clock,
        )

    def draws(self) -> bool:
        """Decide whether the next vector is one of the sample."""
        return bool(self._share) and self._random() < self._share

    def offer(self, job: ScoreJob) -> None:
        """Log the vector of a scored visitor, or drop it if too many wait already."""
        self._log.offer(job.user_id, lambda: encode_served_vector(served_vector(job)))

    def offer_vector(self, vector: ServedVector) -> None:
        """Log a vector that was made before, or drop it if too many wait already."""
        self._log.offer(vector.user_id, lambda: encode_served_vector(vector))


def served_vector(job: ScoreJob) -> ServedVector:
    """Describe the vector of a scored visitor, for the event log."""
    route = job.route
    return ServedVector(
        user_id=job.user_id,
        session_id=job.session_id,
        as_of_unix_micros=job.now_unix_micros,
        last_event=last_event_of(job.state),
        model=job.model.name,
        model_version=job.model.version,
        fingerprint=job.model.bundle.manifest.feature_set.fingerprint,
        values=job.vector.astype("<f4").tobytes(),
        score=job.score,
        arm=int(route.arm) if route else 0,
        propensity=route.propensity if route else 1.0,
        prior=job.model.is_prior,
    )
