"""Scoring: state to features to prediction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import FeatureSet, NewerStateError, State, featurize
from presage_server.call import Call
from presage_server.errors import StateTooNewError, StoreUnavailableError, UnreadableStateError
from presage_server.metrics import Metrics
from presage_server.models import Model
from presage_server.sampling import Sampler, ServedVector, last_event_of
from presage_server.store.snapshot import Snapshot
from presage_server.tracking import StateReader

__all__ = ["Known", "Scored", "Scorer", "Target", "Vector"]

_logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]
"""One row of features."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to score."""

    user_id: str
    session_id: str = ""
    """Empty: the visitor's most recent session that is not idle."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says."""

    score: float
    model: Model
    vector: Vector
    """The features that were scored."""
    cold_start: bool = False
    """Whether the visitor had no recorded history."""
    degraded: bool = False
    """Whether the history could not be read, so that this is the score of a visitor without one."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a visitor: a state, or none, and whether there should have been one."""

    state: State | None
    degraded: bool = False


class Scorer:
    """Scores visitors from what the store holds of them."""

    def __init__(self, reader: StateReader, metrics: Metrics, sampler: Sampler | None = None) -> None:
        self._reader = reader
        self._metrics = metrics
        self._sampler = sampler
        self._store_answers = True
        self._told_of_newer = False

    async def score(self, targets: Sequence[Target], model: Model, now_unix_micros: int, call: Call) -> list[Scored]:
        """Score visitors; one whose state cannot be read gets a visitor without history's score, marked as degraded."""
        known = await self._read(targets, call)
        call.stopwatch.lap("store")
        return self.score_known(targets, known, model, now_unix_micros, call)

    def score_known(
        self,
        targets: Sequence[Target],
        known: Sequence[Known],
        model: Model,
        now_unix_micros: int,
        call: Call,
    ) -> list[Scored]:
        """Score visitors whose states are at hand."""
        if not targets:
            return []
        rows = np.stack(
            [
                featurize(one.state, now_unix_micros, model.feature_set, session_id=target.session_id)
                for target, one in zip(targets, known, strict=True)
            ]
        )
        call.stopwatch.lap("featurize")
        scores = model.predict(rows)
        call.stopwatch.lap("model")
        scored = [
            Scored(score, model, row, cold_start=one.state is None, degraded=one.degraded)
            for score, row, one in zip(scores, rows, known, strict=True)
        ]
        for one in scored:
            self._metrics.count_score(cold_start=one.cold_start, degraded=one.degraded)
        if self._sampler is not None:
            for target, one_known, one_scored in zip(targets, known, scored, strict=True):
                if not one_scored.degraded and self._sampler.draws():
                    self._sampler.offer(_served_vector(target, one_known.state, one_scored, now_unix_micros))
        return scored

    def score_vectors(self, rows: NDArray[np.float32], model: Model) -> list[Scored]:
        """Score the caller's own rows: shape (rows, features of the model's set)."""
        if not len(rows):
            return []
        return [Scored(score, model, row) for score, row in zip(model.predict(rows), rows, strict=True)]

    async def features(self, target: Target, feature_set: FeatureSet, now_unix_micros: int) -> Vector:
        """Assemble the vector that a model of the feature set would see.

        Raises:
            StoreUnavailableError: The store does not answer.
            StateTooNewError: A newer release wrote the visitor's state.
            UnreadableStateError: The visitor's state is damaged.
        """
        (snapshot,) = await self._reader.read([target.user_id])
        if self._known(target.user_id, snapshot).degraded:
            error = StateTooNewError if isinstance(snapshot.damage, NewerStateError) else UnreadableStateError
            raise error(str(snapshot.damage))
        return featurize(snapshot.state, now_unix_micros, feature_set, session_id=target.session_id)

    async def _read(self, targets: Sequence[Target], call: Call) -> list[Known]:
        try:
            # A store that hangs gets half of the call's time; the other half is for the answer without it.
            async with asyncio.timeout(call.seconds / 2):
                snapshots = await self._reader.read([target.user_id for target in targets])
        except (StoreUnavailableError, TimeoutError) as error:
            if self._store_answers:  # once for each outage, not for each call
                _logger.warning(
                    "scoring without history until the store can be read again: %s", str(error) or "no answer"
                )
            self._store_answers = False
            return [Known(None, degraded=True)] * len(targets)
        if not self._store_answers:
            _logger.warning("the store can be read again")
        self._store_answers = True
        return [self._known(target.user_id, snapshot) for target, snapshot in zip(targets, snapshots, strict=True)]

    def _known(self, user_id: str, snapshot: Snapshot) -> Known:
        if snapshot.damage is None:
            return Known(snapshot.state)
        self._metrics.unreadable_states.inc()
        if not isinstance(snapshot.damage, NewerStateError):
            _logger.error("the state of visitor %r cannot be read, it is left as it is: %s", user_id, snapshot.damage)
        elif not self._told_of_newer:  # a roll-out under way: once is enough
            _logger.warning(
                "a newer release wrote states that this one cannot read, such as that of visitor %r", user_id
            )
            self._told_of_newer = True
        return Known(None, degraded=True)


def _served_vector(target: Target, state: State | None, scored: Scored, now_unix_micros: int) -> ServedVector:
    return ServedVector(
        user_id=target.user_id,
        session_id=target.session_id,
        as_of_unix_micros=now_unix_micros,
        last_event=last_event_of(state),
        model=scored.model.name,
        model_version=scored.model.version,
        fingerprint=scored.model.bundle.manifest.feature_set.fingerprint,
        values=scored.vector.astype("<f4").tobytes(),
        score=scored.score,
    )
