"""A sample of the vectors that were served, for an audit to compare with what a replay of the event log gives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from presage_featurizer.event_log import ServedVector, encode_served_vector, last_event_of
from presage_server.errors import RpcError
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.metrics import Metrics

__all__ = ["Sampler", "VectorWriter"]

_logger = logging.getLogger(__name__)

_MAX_WAITING = 1_000


class VectorWriter(Protocol):
    """Puts sampled vectors into the event log."""

    def log_vector(self, user_id: str, encoded: bytes, on_result: Callable[[RpcError | None], None]) -> None:
        """Append one to the stream of its visitor's events, at most once."""
        ...


class Sampler:
    """Logs a share of the vectors. While a thousand of them wait for the store, further ones are dropped and counted.

    Args:
        share: The share of scores whose vector is logged, 0 to 1.
        random: Returns a number from 0 to below 1.
        writer: Takes the vectors.
        metrics: Counts how many were logged and dropped.
    """

    def __init__(self, *, share: float, random: Callable[[], float], writer: VectorWriter, metrics: Metrics) -> None:
        self._share = share
        self._random = random
        self._writer = writer
        self._metrics = metrics
        self._waiting = 0
        self._failing = False

    def draws(self) -> bool:
        """Decide whether the next vector is one of the sample."""
        return self._random() < self._share

    def offer(self, job: ScoreJob) -> None:
        """Log the vector of a scored visitor, or drop it if too many wait already."""
        if self._waiting >= _MAX_WAITING:
            self._metrics.vectors_dropped.inc()
            return
        self._waiting += 1
        self._writer.log_vector(job.user_id, encode_served_vector(_served_vector(job)), self._on_result)

    def _on_result(self, error: RpcError | None) -> None:
        self._waiting -= 1
        if error is None:
            self._metrics.vectors_logged.inc()
            self._failing = False
            return
        self._metrics.vectors_dropped.inc()
        if not self._failing:  # once for each outage
            _logger.warning("a sampled vector could not be logged: %s", error)
        self._failing = True


def _served_vector(job: ScoreJob) -> ServedVector:
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
    )
