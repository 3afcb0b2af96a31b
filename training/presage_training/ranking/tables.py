"""Tables of neighbours from a log: items of the same sessions, of the next event, and of the same visitors."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.tables import Neighbours, RankingTables, Sessions
from presage_featurizer.state import SESSION_IDLE_MICROS
from presage_training.ranking.pair_log import PairLog

__all__ = ["TableBuilder"]

Floats = NDArray[np.float64]

_NEIGHBOURS = 20  # as good as 100
_HALF_LIFE_MICROS = 60 * 86_400 * MICROS
_MAX_EVENT_ITEMS = 50
_MAX_SESSION_ITEMS = 100
_MAX_VISITOR_ITEMS = 200  # one visitor with thousands would dominate
_MAX_SESSIONS = 200_000
_SMOOTHING = 10.0
_REPEAT_PRIOR = 5.0
_CHUNK_ROWS = 4_096


@dataclass(slots=True)
class _Visitor:
    number: int
    session: int = -1
    session_id: str = ""
    last_unix_micros: int = 0
    last_items: list[int] = field(default_factory=list)


class TableBuilder:
    """Reads events in the order of time; ``build`` makes the tables of what was read so far.

    Takes about 40 bytes for each item of an event, of at most MAX_PAIRS of them, and some 300 for each visitor.
    """

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._visitors: dict[str, _Visitor] = {}
        self._session_times = array("q")
        self._step_times = array("q")
        self._sessions = PairLog()
        self._interests = PairLog()
        self._before, self._after = PairLog(), PairLog()
        """What a visitor's event had, and what the next one had; groups are steps from one to the other."""
        self._purchases = PairLog()

    def add(self, event: Event) -> None:
        """Read an event; only those that show interest in items matter."""
        if EVENT_WEIGHTS.get(event.type, 0.0) <= 0.0 or not event.items:
            return
        now = event.event_time_unix_micros
        rows = list(dict.fromkeys([self._row(item.item_id) for item in event.items]))
        visitor = self._visitors.get(event.user_id)
        if visitor is None:
            visitor = self._visitors[event.user_id] = _Visitor(len(self._visitors))
        is_over = now - visitor.last_unix_micros > SESSION_IDLE_MICROS or event.session_id != visitor.session_id
        if visitor.session < 0 or is_over:
            visitor.session, visitor.session_id = len(self._session_times), event.session_id
            self._session_times.append(now)
        self._sessions.add(visitor.session, rows[:_MAX_SESSION_ITEMS])
        if visitor.last_items and visitor.last_items != rows:
            step = len(self._step_times)
            self._step_times.append(now)
            self._before.add(step, visitor.last_items)
            self._after.add(step, rows[:_MAX_EVENT_ITEMS])
        visitor.last_items, visitor.last_unix_micros = rows[:_MAX_EVENT_ITEMS], now
        self._interests.add(visitor.number, rows)
        if event.type == EventType.PURCHASE:
            self._purchases.add(visitor.number, rows)

    def build(self, now_unix_micros: int) -> RankingTables:
        """Make the tables; older sessions weigh less, halved every 60 days before ``now_unix_micros``."""
        size = len(self._rows)
        ages = now_unix_micros - np.array(self._session_times, np.int64)
        sessions = self._sessions.matrix(len(ages), size, first=_MAX_SESSION_ITEMS)
        lengths = np.maximum(1, np.diff(sessions.indptr))
        by_count = 1.0 / np.sqrt(np.asarray(sessions.sum(axis=0)).ravel() + _SMOOTHING)
        visitors = self.visitors()
        activity = np.maximum(1, np.diff(visitors.indptr))
        by_fans = 1.0 / np.sqrt(np.asarray(visitors.sum(axis=0)).ravel() + _SMOOTHING)
        nothing = np.zeros(0, np.int64)
        return RankingTables(
            np.fromiter(self._rows, np.uint64, size),
            _nearest(sessions, 0.5 ** (ages / _HALF_LIFE_MICROS) / np.sqrt(lengths), sessions, by_count),
            self._followed_by(now_unix_micros, size, by_count),
            _nearest(visitors, 1.0 / np.sqrt(activity), visitors, by_fans, rows_by=by_fans),
            _recent_sessions(sessions),
            self._repeat_rates(size),
            nothing,
            nothing,
        )

    def visitors(self) -> sparse.csr_array:
        """Return the matrix of visitors by table rows, with 1 for each item that a visitor showed interest in."""
        return self._interests.matrix(len(self._visitors), len(self._rows), last=_MAX_VISITOR_ITEMS)

    def _row(self, item_id: str) -> int:
        return self._rows.setdefault(digest_number(item_id), len(self._rows))

    def _followed_by(self, now_unix_micros: int, size: int, by: Floats) -> Neighbours:
        ages = now_unix_micros - np.array(self._step_times, np.int64)
        before, after = (steps.matrix(len(ages), size) for steps in (self._before, self._after))
        pairs = np.maximum(1, np.diff(before.indptr) * np.diff(after.indptr))
        return _nearest(before, 0.5 ** (ages / _HALF_LIFE_MICROS) / np.sqrt(pairs), after, by)

    def _repeat_rates(self, size: int) -> NDArray[np.float32]:
        total = self._purchases.counts(size)
        repeats = total - self._purchases.distinct_counts(size)
        prior = repeats.sum() / max(1, total.sum())
        return np.asarray((repeats + _REPEAT_PRIOR * prior) / (total + _REPEAT_PRIOR), np.float32)


def _recent_sessions(sessions: sparse.csr_array) -> Sessions:
    """Keep the newest sessions of more than one item."""
    lengths = np.diff(sessions.indptr)
    members = sessions[np.flatnonzero(lengths > 1)[-_MAX_SESSIONS:]]
    # Sessions in descending order within each item: the numbers of the transposed matrix are turned round, twice.
    by_item = members[::-1].T.tocsr()
    by_item.sort_indices()
    return Sessions(
        members.indptr.astype(np.int32),
        members.indices.astype(np.int32),
        by_item.indptr.astype(np.int32),
        (members.shape[0] - 1 - by_item.indices).astype(np.int32),
    )


def _nearest(
    left: sparse.csr_array, weights: Floats, right: sparse.csr_array, by: Floats, rows_by: Floats | None = None
) -> Neighbours:
    """Keep the nearest items of each, without itself: those of the same groups, by the groups' weights, scaled for each item."""
    size = left.shape[1]
    rows = np.full((size, _NEIGHBOURS), UNKNOWN, np.int32)
    nearness = np.zeros((size, _NEIGHBOURS), np.float32)
    weighted = sparse.diags_array(weights) @ right
    by_item = left.T.tocsr()
    for start in range(0, size, _CHUNK_ROWS):  # the whole product may be much larger than what is kept of it
        near = (by_item[start : start + _CHUNK_ROWS] @ weighted).tocsr()
        for row, begin, end in zip(range(start, size), near.indptr, near.indptr[1:], strict=False):
            found = near.indices[begin:end]
            amounts = near.data[begin:end] * by[found]
            amounts[found == row] = 0.0
            best = np.lexsort((found, -amounts))[:_NEIGHBOURS]
            best = best[amounts[best] > 0.0]
            rows[row, : len(best)] = found[best]
            nearness[row, : len(best)] = amounts[best] * (1.0 if rows_by is None else rows_by[row])
    return Neighbours(rows, nearness)
