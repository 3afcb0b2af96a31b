"""Pairs: a share of the scores, made with the other loaded versions of the model, too, after the caller has got the reply."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from math import inf, isfinite
from time import monotonic
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CATALOGUE, featurize
from presage_featurizer.event_log import ServedVector
from presage_server.models.model import Model
from presage_server.models.served import Route
from presage_server.scoring.jobs import ScoreJob, Vector
from presage_server.scoring.sampler import Sampler, served_vector
from presage_server.telemetry.metrics import Metrics

__all__ = ["Pairs"]

_logger = logging.getLogger(__name__)

_MAX_WAITING = 256
_AT_ONCE = 16
"""Pairs scored in one turn: calls that arrive meanwhile wait for as long as one run of each other version takes."""
_MAX_WAIT_SECONDS = 0.02
"""For how long pairs wait for others to be scored with: a run for each would cost five times as much."""
_HURRY, _HURRY_SECONDS = 64, 1.0
"""With so many waiting, or for so long, some are scored although calls are being served."""
_SOON_SECONDS = 0.001


class _Waiting(NamedTuple):
    """A score that is to be made with the other versions, too."""

    since: float
    """In seconds of ``time.monotonic``."""
    vector: ServedVector
    """As the event log is to have it, but for the other scores."""
    route: Route[Model]
    rows: dict[Model, Vector]
    """What each version sees of the visitor, the served one first; without those whose features failed."""


class Pairs:
    """Scores visitors with versions that do not serve them, and logs both scores. All methods are for the serving thread.

    While 256 of them wait, further ones are dropped and counted.

    Args:
        sampler: Logs them.
        metrics: Counts them.
        random: Returns a number from 0 to below 1.
    """

    def __init__(self, sampler: Sampler, metrics: Metrics, random: Callable[[], float]) -> None:
        self._sampler = sampler
        self._metrics = metrics
        self._random = random
        self._waiting: deque[_Waiting] = deque()
        self._failed: set[tuple[str, str]] = set()
        """Versions whose first failure is in the log."""
        self._defaults: dict[str, NDArray[np.float32]] = {}

    @property
    def pending(self) -> bool:
        """Whether any wait."""
        return bool(self._waiting)

    def draws(self, route: Route[Model]) -> bool:
        """Decide whether the next score of a route is one of a pair."""
        return bool(route.pairs_share) and self._random() < route.pairs_share

    def offer(self, job: ScoreJob, route: Route[Model]) -> None:
        """Take a scored visitor whose caller has got the reply; dropped if too many wait.

        What the versions see of the visitor is computed at once, for the visitor's next event may change the state in place.
        """
        if len(self._waiting) >= _MAX_WAITING:
            self._metrics.pairs_dropped.inc()
            return
        seen = {_features_of(job.model): job.vector}
        rows = {job.model: job.vector}
        for version in route.others:
            row = seen.get(_features_of(version))
            if row is None:
                try:
                    row = featurize(job.state, job.now_unix_micros, version.feature_set, session_id=job.session_id)
                except Exception as error:  # noqa: BLE001 - a project's own feature; its version serves nobody here
                    self._note_failure(version, str(error))
                    continue
                seen[_features_of(version)] = row
            rows[version] = row
        self._waiting.append(_Waiting(monotonic(), served_vector(job), route, rows))

    def work(self, now: float, *, idle: bool) -> float:
        """Score and log some of those that wait: when nothing else is to be done, or when many wait.

        Args:
            now: The time, in seconds of ``time.monotonic``.
            idle: Whether no call waits.

        Returns:
            In how many seconds the next ones are due; infinite if none wait.
        """
        waiting = self._waiting
        due = self._due(now)
        if due <= 0.0 and (idle or len(waiting) >= _HURRY or now - waiting[0].since >= _HURRY_SECONDS):
            self._work()
            due = self._due(now)
        return max(due, 0.0 if idle else _SOON_SECONDS)

    def _due(self, now: float) -> float:
        waiting = self._waiting
        if not waiting:
            return inf
        return 0.0 if len(waiting) >= _AT_ONCE else waiting[0].since + _MAX_WAIT_SECONDS - now

    def _work(self) -> None:
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]
        scores: list[dict[Model, float]] = [{pair.route.model: pair.vector.score} for pair in batch]
        for version in dict.fromkeys(version for pair in batch for version in pair.route.others):
            places = [
                place for place, pair in enumerate(batch) if version in pair.rows and version is not pair.route.model
            ]
            found = self._score(version, [batch[place].rows[version] for place in places]) if places else ()
            for place, score in zip(places, found, strict=True):
                if score is not None:
                    scores[place][version] = score
        complete: list[tuple[_Waiting, dict[Model, float]]] = []
        for pair, by_version in zip(batch, scores, strict=True):
            others = [(version.version, by_version[version]) for version in pair.route.others if version in by_version]
            self._sampler.offer_vector(msgspec.structs.replace(pair.vector, others=tuple(others)))
            if len(others) == len(pair.route.others):
                complete.append((pair, by_version))
        self._count(complete)
        self._metrics.pairs_scored.inc(len(batch))

    def _score(self, version: Model, rows: Sequence[Vector]) -> Sequence[float | None]:
        """Score rows with a version; None where it fails."""
        try:
            scores = version.predict(np.stack(rows))
        except Exception as error:  # noqa: BLE001 - a version that nobody is served by must not harm those who are
            if len(rows) > 1:
                return [score for row in rows for score in self._score(version, [row])]
            self._note_failure(version, str(error))
            return [None]
        return [self._checked(version, score) for score in scores]

    def _checked(self, version: Model, score: float) -> float | None:
        if isfinite(score):
            self._metrics.versions.of(version).paired_others += 1
            return score
        self._note_failure(version, f"expected a number, got {score}")
        return None

    def _note_failure(self, version: Model, what: str) -> None:
        self._metrics.versions.of(version).paired_errors += 1
        name = version.name, version.version
        if name not in self._failed:  # a version that fails at every visitor needs one line
            self._failed.add(name)
            _logger.error("model %s version %s cannot score visitors that another version serves: %s", *name, what)

    def _count(self, complete: Sequence[tuple[_Waiting, dict[Model, float]]]) -> None:
        """Count visitors that all of their versions have scored."""
        for version in dict.fromkeys(version for pair, _ in complete for version in pair.rows):
            of_version = [(pair.rows[version], scores[version]) for pair, scores in complete if version in scores]
            rows = np.stack([row for row, _ in of_version])
            counts = self._metrics.versions.of(version)
            counts.paired += len(rows)
            counts.paired_score_sum += sum(score for _, score in of_version)
            counts.paired_features += rows.size
            counts.paired_defaults += int(np.count_nonzero(rows == self._defaults_of(version)))

    def _defaults_of(self, version: Model) -> NDArray[np.float32]:
        """Return the features of a visitor without history; NaN, which equals nothing, where they depend on the moment alone."""
        found = self._defaults.get(_features_of(version))
        if found is None:
            found = featurize(None, 0, version.feature_set)
            for place, name in enumerate(version.feature_set.features):
                if name in CATALOGUE and CATALOGUE[name].default is None:
                    found[place] = np.nan
            self._defaults[_features_of(version)] = found
        return found


def _features_of(version: Model) -> str:
    fingerprint: str = version.bundle.manifest.feature_set.fingerprint
    return fingerprint
