"""Pairs of lists: a share of the rankings, scored by the other versions of the model, too, once the caller has got the reply."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.ranking.pairs import pair_features
from presage_featurizer.ranking.tables import RankingTables
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Route
from presage_server.ranking.exposures import ExposureLog, Ranked
from presage_server.telemetry.metrics import Metrics

__all__ = ["ListPairs"]

_logger = logging.getLogger(__name__)

_MAX_WAITING = 64
"""Each holds its candidates' features: 160 kB for a thousand of them."""
_ROWS = 256
"""Candidates scored at once, as in rankings that small calls wait for the end of."""
_HURRY_SECONDS = 1.0
_PAUSE_SECONDS = 0.02
"""Between two steps while calls are served: each takes some tenths of a millisecond."""

_Others = dict[RankingModel, RankingTables]


class _Waiting(NamedTuple):
    """A list that is to be scored by other versions, too."""

    since: float
    """In seconds of ``time.monotonic``."""
    ranked: Ranked
    others: _Others
    """The other versions, with their tables bound to the items as they were when the list was made."""


class ListPairs:
    """Scores the candidates of lists with versions that did not rank them, and logs both. All methods are for the serving thread.

    A version sees the candidates as if it served: the same visitor, moment and statistics of the items, but its own tables.
    While 64 lists wait, further ones are logged without the other versions, as the log's share says, and counted as dropped.

    Args:
        exposures: Logs them.
        metrics: Counts them.
        random: Returns a number from 0 to below 1.
    """

    def __init__(self, exposures: ExposureLog, metrics: Metrics, random: Callable[[], float]) -> None:
        self._exposures = exposures
        self._metrics = metrics
        self._random = random
        self._waiting: deque[_Waiting] = deque()
        self._steps: Iterator[None] | None = None
        """What is left to do for the oldest of them."""
        self._next_at = 0.0
        self._failed: set[tuple[str, str]] = set()
        """Versions whose first failure is in the log."""

    @property
    def pending(self) -> bool:
        """Whether any wait."""
        return bool(self._waiting)

    def draws(self, route: Route[RankingModel]) -> bool:
        """Decide whether the next list of a route is one of a pair."""
        return bool(route.pairs_share) and self._random() < route.pairs_share

    def offer(self, ranked: Ranked, route: Route[RankingModel]) -> None:
        """Take a list whose caller has got it."""
        if len(self._waiting) >= _MAX_WAITING:
            self._metrics.pairs_dropped.inc()
            self._exposures.offer(ranked)
            return
        items = ranked.candidates.context.items
        self._waiting.append(
            _Waiting(monotonic(), ranked, {version: version.tables(items) for version in route.others})
        )

    def work(self, now: float, *, idle: bool) -> float:
        """Do a small part of what is left: when nothing else is to be done, or now and then if lists have waited for long.

        Args:
            now: The time, in seconds of ``time.monotonic``.
            idle: Whether no call waits.

        Returns:
            In how many seconds the next part is due; infinite if none is left.
        """
        if not self._waiting:
            return inf
        if idle or (now >= self._next_at and now - self._waiting[0].since >= _HURRY_SECONDS):
            self._step()
            self._next_at = now + _PAUSE_SECONDS
        return 0.0 if idle else _PAUSE_SECONDS

    def _step(self) -> None:
        if self._steps is None:
            self._steps = self._score_and_log(self._waiting[0])
        if next(self._steps, self) is self:
            self._steps = None
            self._waiting.popleft()

    def _score_and_log(self, waiting: _Waiting) -> Iterator[None]:
        scored: list[tuple[str, NDArray[np.float64]]] = []
        for version, tables in waiting.others.items():
            scores = np.empty(len(waiting.ranked.candidates.rows))
            try:
                yield from _score(waiting.ranked, version, tables, scores)
            except Exception as error:  # noqa: BLE001 - a version that nobody is served by must not harm those who are
                self._note_failure(version, str(error))
                continue
            self._metrics.versions.of(version).paired_others += 1
            scored.append((version.version, scores))
        self._exposures.log(waiting.ranked, scored)
        self._metrics.pairs_scored.inc()

    def _note_failure(self, version: RankingModel, what: str) -> None:
        self._metrics.versions.of(version).paired_errors += 1
        name = version.name, version.version
        if name not in self._failed:  # a version that fails at every list needs one line
            self._failed.add(name)
            _logger.error("model %s version %s cannot score lists that another version ranks: %s", *name, what)


def _score(ranked: Ranked, version: RankingModel, tables: RankingTables, scores: NDArray[np.float64]) -> Iterator[None]:
    """Fill in the scores of a list's candidates by a version, a step at a time."""
    candidates = ranked.candidates
    context = candidates.context.with_tables(tables)
    features = pair_features(candidates.rows, context, candidates.given)
    yield
    for start in range(0, len(scores), _ROWS):
        part = slice(start, start + _ROWS)
        scores[part] = version.scores(features[part])
        yield
    if not np.isfinite(scores).all():
        raise ValueError("expected numbers as scores")
