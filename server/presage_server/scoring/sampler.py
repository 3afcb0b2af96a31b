"""A sample of the vectors that were served, for an audit to compare with what a replay of the event log gives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from presage_featurizer.event_log import ServedVector, encode_served_vector, last_event_of
from presage_server.errors import CommandRejectedError, RpcError, StoreFullError
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.metrics import Metrics

__all__ = ["Sampler", "VectorWriter"]

_logger = logging.getLogger(__name__)

_MAX_WAITING = 1_000
_CALM_SECONDS = 1.0
"""An outage ends with the first vector logged this long after the last that was dropped."""


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
        clock: Seconds.
    """

    def __init__(
        self,
        *,
        share: float,
        random: Callable[[], float],
        writer: VectorWriter,
        metrics: Metrics,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._share = share
        self._random = random
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._waiting = 0
        self._logged_texts: set[str] = set()
        """The causes of the present outage that are in the log; empty without one."""
        self._dropped = 0
        self._first_drop_at = self._last_drop_at = 0.0

    def draws(self) -> bool:
        """Decide whether the next vector is one of the sample."""
        return self._random() < self._share

    def offer(self, job: ScoreJob) -> None:
        """Log the vector of a scored visitor, or drop it if too many wait already."""
        if self._waiting >= _MAX_WAITING:
            self._drop("backlog", f"{_MAX_WAITING:,} of them wait for a store that is too slow")
            return
        self._waiting += 1
        self._writer.log_vector(job.user_id, encode_served_vector(_served_vector(job)), self._on_result)

    def _on_result(self, error: RpcError | None) -> None:
        self._waiting -= 1
        if error is None:
            self._metrics.vectors_logged.inc()
            if self._logged_texts and self._clock() - self._last_drop_at >= _CALM_SECONDS:
                self._end_outage()
        else:
            self._drop(*_cause_of(error))

    def _drop(self, reason: str, text: str) -> None:
        """Count a vector that is not logged; the log has one line for each cause of an outage."""
        self._metrics.vectors_dropped[reason].inc()
        self._last_drop_at = self._clock()
        if not self._logged_texts:
            self._first_drop_at, self._dropped = self._last_drop_at, 0
        self._dropped += 1
        if text not in self._logged_texts:
            self._logged_texts.add(text)
            _logger.warning("sampled vectors are dropped: %s", text)

    def _end_outage(self) -> None:
        self._logged_texts.clear()
        seconds = self._last_drop_at - self._first_drop_at
        _logger.warning("sampled vectors are logged again: %s were dropped in %.0f s", f"{self._dropped:,}", seconds)


def _cause_of(error: RpcError) -> tuple[str, str]:
    """Return the reason that the metric has for an error of the store, and a text for the log.

    The error's own text is for callers: it asks them to try again, which a sample does not, and refers them to this log.
    """
    if isinstance(error, StoreFullError):
        return "rejected", "the store is out of memory"
    if isinstance(error, CommandRejectedError):
        return "rejected", "the store rejects them, for the reason logged before"
    return "unavailable", "the store does not answer, or is not ready for writes"


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
