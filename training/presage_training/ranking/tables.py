"""Tables of neighbours from a log: items of the same sessions, of the next event, and of the same visitors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.digests import product_digest
from presage_featurizer.habits import EVENT_WEIGHTS
from presage_featurizer.ranking.items import UNKNOWN
from presage_featurizer.ranking.tables import Neighbours, RankingTables, Sessions
from presage_featurizer.state import SESSION_IDLE_MICROS

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
    session: int = -1
    session_id: str = ""
    last_unix_micros: int = 0
    last_items: list[int] = field(default_factory=list)
    items: dict[int, None] = field(default_factory=dict)
    bought: set[int] = field(default_factory=set)


class TableBuilder:
    """Reads events in the order of the log; ``build`` makes the tables of what was read so far."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._visitors: dict[str, _Visitor] = {}
        self._sessions: list[dict[int, None]] = []
        self._session_times: list[int] = []
        self._followed: list[tuple[int, list[int], list[int]]] = []
        self._purchases: dict[int, int] = {}
        self._repeats: dict[int, int] = {}

    def add(self, event: Event) -> None:
        """Read an event; only those that show interest in items matter."""
        if EVENT_WEIGHTS.get(event.type, 0.0) <= 0.0 or not event.items:
            return
        now = event.event_time_unix_micros
        rows = list(dict.fromkeys([self._row(item.item_id) for item in event.items]))
        visitor = self._visitors.setdefault(event.user_id, _Visitor())
        is_over = now - visitor.last_unix_micros > SESSION_IDLE_MICROS or event.session_id != visitor.session_id
        if visitor.session < 0 or is_over:
            visitor.session, visitor.session_id = len(self._sessions), event.session_id
            self._sessions.append({})
            self._session_times.append(now)
        items = self._sessions[visitor.session]
        if len(items) < _MAX_SESSION_ITEMS:
            items.update(dict.fromkeys(rows[:_MAX_SESSION_ITEMS]))
        if visitor.last_items and visitor.last_items != rows:
            self._followed.append((now, visitor.last_items, rows[:_MAX_EVENT_ITEMS]))
        visitor.last_items, visitor.last_unix_micros = rows[:_MAX_EVENT_ITEMS], now
        visitor.items.update(dict.fromkeys(rows))
        if event.type == EventType.PURCHASE:
            for row in rows:
                self._purchases[row] = self._purchases.get(row, 0) + 1
                if row in visitor.bought:
                    self._repeats[row] = self._repeats.get(row, 0) + 1
            visitor.bought.update(rows)

    def build(self, now_unix_micros: int) -> RankingTables:
        """Make the tables; older sessions weigh less, halved every 60 days before ``now_unix_micros``."""
        size = len(self._rows)
        digests = np.fromiter(self._rows, np.uint64, size)
        ages = now_unix_micros - np.array(self._session_times, np.int64)
        sessions = _members([list(session) for session in self._sessions], size)
        lengths = np.maximum(1, np.diff(sessions.indptr))
        counts = np.asarray(sessions.sum(axis=0)).ravel()
        weights = 0.5 ** (ages / _HALF_LIFE_MICROS) / np.sqrt(lengths)
        visitors = self.visitors()
        activity = np.maximum(1, np.diff(visitors.indptr))
        fans = np.asarray(visitors.sum(axis=0)).ravel()
        by_fans = 1.0 / np.sqrt(fans + _SMOOTHING)
        total = np.zeros(size)
        repeats = np.zeros(size)
        total[list(self._purchases)] = list(self._purchases.values())
        repeats[list(self._repeats)] = list(self._repeats.values())
        prior = repeats.sum() / max(1.0, total.sum())
        nothing = np.zeros(0, np.int64)
        return RankingTables(
            digests,
            _nearest(sessions, weights, sessions, 1.0 / np.sqrt(counts + _SMOOTHING)),
            self._followed_by(now_unix_micros, size, 1.0 / np.sqrt(counts + _SMOOTHING)),
            _nearest(visitors, 1.0 / np.sqrt(activity), visitors, by_fans, rows_by=by_fans),
            self._recent_sessions(size),
            ((repeats + _REPEAT_PRIOR * prior) / (total + _REPEAT_PRIOR)).astype(np.float32),
            nothing,
            nothing,
        )

    def visitors(self) -> sparse.csr_array:
        """Return the matrix of visitors by table rows, with 1 for each item that a visitor showed interest in."""
        kept = [list(visitor.items)[-_MAX_VISITOR_ITEMS:] for visitor in self._visitors.values()]
        return _members(kept, len(self._rows))

    def _row(self, item_id: str) -> int:
        return self._rows.setdefault(int.from_bytes(product_digest(item_id), "little"), len(self._rows))

    def _followed_by(self, now_unix_micros: int, size: int, by: Floats) -> Neighbours:
        before = _members([items for _, items, _ in self._followed], size)
        after = _members([items for _, _, items in self._followed], size)
        ages = now_unix_micros - np.array([time for time, _, _ in self._followed], np.int64)
        pairs = np.maximum(1, np.diff(before.indptr) * np.diff(after.indptr))
        weights = 0.5 ** (ages / _HALF_LIFE_MICROS) / np.sqrt(pairs)
        return _nearest(before, weights, after, by)

    def _recent_sessions(self, size: int) -> Sessions:
        kept = [list(session) for session in self._sessions[-_MAX_SESSIONS:] if len(session) > 1]
        members = _members(kept, size)
        by_item = members.T.tocsr()
        by_item.sort_indices()
        newest_first = np.concatenate(
            [by_item.indices[a:b][::-1] for a, b in zip(by_item.indptr, by_item.indptr[1:], strict=False)]
            or [np.zeros(0)]
        )
        return Sessions(
            members.indptr.astype(np.int32),
            members.indices.astype(np.int32),
            by_item.indptr.astype(np.int32),
            newest_first.astype(np.int32),
        )


def _members(groups: Sequence[Iterable[int]], size: int) -> sparse.csr_array:
    """Return the matrix of groups by items, with 1 for each member."""
    lists = [list(group) for group in groups]
    starts = np.append(0, np.cumsum([len(members) for members in lists])).astype(np.int64)
    indices = np.fromiter((member for members in lists for member in members), np.int64, int(starts[-1]))
    return sparse.csr_array((np.ones(len(indices)), indices, starts), shape=(len(lists), size))


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
