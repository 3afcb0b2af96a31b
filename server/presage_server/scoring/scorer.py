"""Scoring: state to features to prediction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CoreState, FeatureSet, NewerStateError, StateError, featurize
from presage_featurizer.event_log import ServedVector, last_event_of
from presage_featurizer.featurize import feature_values
from presage_server.call import Call
from presage_server.errors import StateTooNewError, StoreUnavailableError, UnreadableStateError
from presage_server.eventlog.sampling import Sampler
from presage_server.models.loading import Model
from presage_server.pipeline.per_tick import PerTick
from presage_server.pipeline.time_limit import TimeLimit
from presage_server.pipeline.timers import timers_of
from presage_server.telemetry.metrics import Metrics

__all__ = ["Known", "Scored", "Scorer", "StatesReader", "Target", "Vector"]

_logger = logging.getLogger(__name__)

Vector = NDArray[np.float32]
"""One row of features."""


# Structs rather than dataclasses: a batch makes several for each visitor, and a frozen dataclass takes ten times as long to make.
class Target(msgspec.Struct, frozen=True, gc=False):
    """Whom to score."""

    user_id: str
    session_id: str = ""
    """Empty: the visitor's most recent session that is not idle."""


class Scored(msgspec.Struct, frozen=True, gc=False):
    """What a model says."""

    score: float
    model: Model
    vector: Vector
    """The features that were scored."""
    cold_start: bool = False
    """Whether the visitor had no recorded history."""
    degraded: bool = False
    """Whether the history could not be read, so that this is the score of a visitor without one."""


class _Asked:
    """One score that is asked for, and who waits for it."""

    __slots__ = ("call", "future", "model", "now_unix_micros", "target")

    def __init__(
        self, target: Target, model: Model, now_unix_micros: int, call: Call, future: asyncio.Future[Scored | None]
    ) -> None:
        self.target = target
        self.model = model
        self.now_unix_micros = now_unix_micros
        self.call = call
        self.future = future

    def give_up(self) -> None:
        """Wait for the store no longer."""
        if not self.future.done():
            self.future.set_result(None)


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of a visitor: a state, or none, and whether there should have been one."""

    state: CoreState | None
    degraded: bool = False


class StatesReader(Protocol):
    """Reads visitors to look at."""

    async def read_states(self, user_ids: Sequence[str], *, habits: bool) -> list[CoreState | StateError | None]:
        """Read visitors, in the order of the ids, with habits or without; the damage where a state cannot be read."""
        ...


class Scorer:
    """Scores visitors from what the store holds of them."""

    def __init__(self, reader: StatesReader, metrics: Metrics, sampler: Sampler | None = None) -> None:
        self._reader = reader
        self._metrics = metrics
        self._sampler = sampler
        self._store_answers = True
        self._told_of_newer = False
        self._ticks = PerTick(self._score_tick)
        self._known_ticks = PerTick(self._score_known_tick)
        self._vector_ticks = PerTick(self._score_vectors_tick)

    async def score_one(self, target: Target, model: Model, now_unix_micros: int, call: Call) -> Scored:
        """Score a visitor, together with all who ask in the same tick of the loop: one read, and one run of each model.

        A visitor whose state cannot be read gets a visitor without history's score, marked as degraded.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(target, model, now_unix_micros, call, loop.create_future())
        self._ticks.add(asked)
        # A store that hangs gets half of the call's time; the other half is for the answer without it.
        timer = timers_of(loop).after(call.seconds / 2, asked.give_up)
        try:
            scored = await asked.future
        finally:
            timer.cancel()
        if scored is not None:
            return scored
        self._tell_outage("no answer")
        call.stopwatch.lap("store")
        (degraded,) = self.score_known([target], [_DEGRADED], model, now_unix_micros, call)
        return degraded

    async def score_known_one(
        self, target: Target, known: Known, model: Model, now_unix_micros: int, call: Call
    ) -> Scored:
        """Score a visitor whose state is at hand, by one run of the model with all who ask in the same tick."""
        asked = _Asked(target, model, now_unix_micros, call, asyncio.get_running_loop().create_future())
        self._known_ticks.add((asked, known))
        scored = await asked.future
        assert scored is not None  # only who waits for the store gives up
        return scored

    async def score(self, targets: Sequence[Target], model: Model, now_unix_micros: int, call: Call) -> list[Scored]:
        """Score visitors; one whose state cannot be read gets a visitor without history's score, marked as degraded."""
        known = await self._read(targets, model, call)
        self._metrics.stages["store"].observe(call.stopwatch.lap("store"))
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
        scored, featurized, done = self._run(model, targets, known, [now_unix_micros] * len(targets))
        stages = self._metrics.stages
        stages["featurize"].observe(call.stopwatch.lap("featurize", featurized))
        stages["model"].observe(call.stopwatch.lap("model", done))
        return scored

    async def score_vectors(self, rows: NDArray[np.float32], model: Model) -> list[Scored]:
        """Score the caller's own rows, of shape (rows, features of the model's set), with those of all who ask in this tick."""
        if not len(rows):
            return []
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._vector_ticks.add((model, rows, future))
        return [Scored(score, model, row) for score, row in zip(await future, rows, strict=True)]

    async def features(self, target: Target, feature_set: FeatureSet, now_unix_micros: int) -> Vector:
        """Assemble the vector that a model of the feature set would see.

        Raises:
            StoreUnavailableError: The store does not answer.
            StateTooNewError: A newer release wrote the visitor's state.
            UnreadableStateError: The visitor's state is damaged.
        """
        (state,) = await self._reader.read_states([target.user_id], habits=feature_set.uses_habits)
        self._known(target.user_id, state)
        if isinstance(state, StateError):
            error = StateTooNewError if isinstance(state, NewerStateError) else UnreadableStateError
            raise error(str(state))
        return featurize(state, now_unix_micros, feature_set, session_id=target.session_id)

    async def _read(self, targets: Sequence[Target], model: Model, call: Call) -> list[Known]:
        try:
            # A store that hangs gets half of the call's time; the other half is for the answer without it.
            with TimeLimit(call.seconds / 2):
                user_ids = [target.user_id for target in targets]
                states = await self._reader.read_states(user_ids, habits=model.feature_set.uses_habits)
        except (StoreUnavailableError, TimeoutError) as error:
            self._tell_outage(str(error) or "no answer")
            return [_DEGRADED] * len(targets)
        self._tell_answer()
        return [self._known(user_id, state) for user_id, state in zip(user_ids, states, strict=True)]

    async def _score_tick(self, tick: list[_Asked]) -> None:
        """Score all who asked in one tick."""
        began = perf_counter()
        try:
            states = await self._reader.read_states(
                [asked.target.user_id for asked in tick],
                habits=any(asked.model.feature_set.uses_habits for asked in tick),
            )
        except StoreUnavailableError as error:
            self._tell_outage(str(error))
            for asked in tick:
                asked.give_up()
            return
        except Exception as error:  # noqa: BLE001 - each call reports it as its own
            _fail(tick, error)
            return
        self._tell_answer()
        read = perf_counter()
        queue = self._metrics.stages["queue"]
        known = []
        for asked, state in zip(tick, states, strict=True):
            queue.observe(asked.call.stopwatch.lap("queue", began))
            asked.call.stopwatch.lap("store", read)
            known.append((asked, self._known(asked.target.user_id, state)))
        self._metrics.stages["store"].observe(read - began, len(tick))
        await self._score_known_tick(known)

    async def _score_known_tick(self, tick: Sequence[tuple[_Asked, Known]]) -> None:
        """Score visitors whose states are at hand."""
        by_model: dict[str, tuple[list[_Asked], list[Known]]] = {}
        for asked, one in tick:
            if not asked.future.done():  # somebody who gave up is nobody's work any more
                mine, known = by_model.setdefault(asked.model.name, ([], []))
                mine.append(asked)
                known.append(one)
        for mine, known in by_model.values():
            try:
                scored = self._score_together(mine, known)
            except Exception as error:  # noqa: BLE001 - as above
                _fail(mine, error)
                continue
            for asked, answer in zip(mine, scored, strict=True):
                asked.future.set_result(answer)

    async def _score_vectors_tick(
        self, tick: Sequence[tuple[Model, NDArray[np.float32], asyncio.Future[list[float]]]]
    ) -> None:
        """Score callers' own rows."""
        by_model: dict[str, list[tuple[Model, NDArray[np.float32], asyncio.Future[list[float]]]]] = {}
        for asked in tick:
            if not asked[2].done():
                by_model.setdefault(asked[0].name, []).append(asked)
        for together in by_model.values():
            try:
                scores = together[0][0].predict(np.concatenate([rows for _, rows, _ in together]))
            except Exception as error:  # noqa: BLE001 - each call reports it as its own
                for _, _, future in together:
                    future.set_exception(error)
                continue
            first = 0
            for _, rows, future in together:
                future.set_result(scores[first : first + len(rows)])
                first += len(rows)

    def _score_together(self, asked: Sequence[_Asked], known: Sequence[Known]) -> list[Scored]:
        """Score visitors of several calls by one run of a model."""
        began = perf_counter()
        moments = [each.now_unix_micros for each in asked]
        scored, featurized, done = self._run(asked[0].model, [each.target for each in asked], known, moments)
        for each in asked:
            each.call.stopwatch.lap("featurize", featurized)
            each.call.stopwatch.lap("model", done)
        stages = self._metrics.stages
        stages["featurize"].observe(featurized - began, len(asked))
        stages["model"].observe(done - featurized, len(asked))
        return scored

    def _run(
        self, model: Model, targets: Sequence[Target], known: Sequence[Known], moments: Sequence[int]
    ) -> tuple[list[Scored], float, float]:
        """Featurize and score by one run of a model; the scores do not depend on who is in it.

        Returns:
            The scores, and when the features and when the scores were there, by ``perf_counter``.
        """
        feature_set = model.feature_set
        rows = np.array(
            [
                feature_values(one.state, moment, feature_set, session_id=target.session_id)
                for target, one, moment in zip(targets, known, moments, strict=True)
            ],
            dtype=np.float32,
        )
        featurized = perf_counter()
        scores = model.predict(rows)
        done = perf_counter()
        scored = [
            Scored(score, model, row, one.state is None, one.degraded)
            for score, row, one in zip(scores, rows, known, strict=True)
        ]
        for target, one_known, one, moment in zip(targets, known, scored, moments, strict=True):
            self._finish(target, one_known.state, one, moment)
        return scored, featurized, done

    def _finish(self, target: Target, state: CoreState | None, scored: Scored, now_unix_micros: int) -> None:
        """Count a score, and have it logged if it is one of the sample."""
        self._metrics.count_score(cold_start=scored.cold_start, degraded=scored.degraded)
        if self._sampler is not None and not scored.degraded and self._sampler.draws():
            self._sampler.offer(_served_vector(target, state, scored, now_unix_micros))

    def _tell_outage(self, reason: str) -> None:
        if self._store_answers:  # once for each outage, not for each call
            _logger.warning("scoring without history until the store can be read again: %s", reason)
        self._store_answers = False

    def _tell_answer(self) -> None:
        if not self._store_answers:
            _logger.warning("the store can be read again")
        self._store_answers = True

    def _known(self, user_id: str, state: CoreState | StateError | None) -> Known:
        if not isinstance(state, StateError):
            return Known(state)
        self._metrics.unreadable_states.inc()
        if not isinstance(state, NewerStateError):
            _logger.error("the state of visitor %r cannot be read, it is left as it is: %s", user_id, state)
        elif not self._told_of_newer:  # a roll-out under way: once is enough
            _logger.warning(
                "a newer release wrote states that this one cannot read, such as that of visitor %r", user_id
            )
            self._told_of_newer = True
        return Known(None, degraded=True)


_DEGRADED = Known(None, degraded=True)


def _fail(asked: Sequence[_Asked], error: Exception) -> None:
    for each in asked:
        if not each.future.done():
            each.future.set_exception(error)


def _served_vector(target: Target, state: CoreState | None, scored: Scored, now_unix_micros: int) -> ServedVector:
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
