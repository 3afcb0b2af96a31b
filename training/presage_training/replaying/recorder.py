"""Replays a log into columns, event by event, through the fold and the featurizer that serve live traffic."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Event, EventType, FeatureSet, State
from presage_featurizer.digests import contains, digest
from presage_featurizer.featurize import pack_rows
from presage_featurizer.fold import begin, fold_into, remember
from presage_featurizer.state import Session
from presage_training.replaying.decisions import DecisionPoints
from presage_training.replaying.event_order import BEHIND_MICROS, OrderCounter
from presage_training.replaying.recording import NEVER, NO_SESSION, Outcomes, Recording, Rows

__all__ = ["ANONYMOUS_PREFIX", "Recorder"]

ANONYMOUS_PREFIX = "anonymous:"
"""The prefix of the ids that readers give to anonymous visitors."""

_DTYPES: Mapping[str, type[np.generic]] = {
    "prefix_length": np.int32,
    "known": np.bool_,
    "device": np.int8,
    "is_purchase": np.bool_,
}
"""The types of columns that are not int64."""

_COUNTRY = "<U2"

# Enum and set lookups are slow; this avoids one per event.
_PURCHASE = EventType.PURCHASE
_REFUND = EventType.REFUND
_MONEY_MOVES = (_PURCHASE, _REFUND)


@dataclass(slots=True)
class _TrackedSession:
    """An open session with a row or a purchase; other sessions are not tracked."""

    session: Session
    """The fold's own object, updated while the session is open."""
    number: int
    purchase_position: int = NEVER
    row_index: int = -1
    """Its index in the session columns; -1 until it has a row."""


@dataclass(slots=True)
class _Visitor:
    number: int
    known: bool
    decided_until_unix_micros: int
    newest_unix_micros: int
    state: State
    """Owned by this recorder, folded in place."""
    sessions: dict[str, _TrackedSession] = field(default_factory=dict)
    """By id: the open ones, and some that have ended."""
    has_late: bool = False


class Recorder:
    """Replays a log, keeping visitors' states and the columns of rows, but no events.

    Args:
        decisions: When to make a row.
        feature_set: The features of a row.
        distinct_ids: Whether no two events of the log have the same id, for example because the reader makes the ids. Duplicates
            are then not looked for, which saves a third of the time.
        now_shift_micros: An offset added to the time for which features are computed. A value other than 0 shows how much a model
            depends on the exact moment.
    """

    def __init__(
        self,
        decisions: DecisionPoints,
        feature_set: FeatureSet,
        *,
        distinct_ids: bool = False,
        now_shift_micros: int = 0,
    ) -> None:
        self._decisions = decisions
        self._follows_events = decisions.follows_events
        self._feature_set = feature_set
        self._needs = feature_set.needs
        self._aggregates = feature_set.aggregates
        self._distinct_ids = distinct_ids
        self._now_shift_micros = now_shift_micros
        self._visitors: dict[str, _Visitor] = {}
        self._events = self._duplicates = 0
        self._order = OrderCounter()
        self._oldest: int | None = None
        self._features = array("f")
        self._rows = {column.name: array("q") for column in fields(Rows) if column.name not in {"features", "country"}}
        self._country_indices = array("q")
        self._countries: dict[str, int] = {}
        self._sessions = {name: array("q") for name in ("number", "start", "end", "purchase")}
        self._outcomes = {column.name: array("q") for column in fields(Outcomes)}

    @property
    def row_count(self) -> int:
        return len(self._country_indices)

    @property
    def column_bytes(self) -> int:
        """The memory of rows and outcomes; visitors' states come on top."""
        columns = (*self._rows.values(), *self._sessions.values(), *self._outcomes.values(), self._country_indices)
        features = len(self._features) * self._features.itemsize
        return features + sum(len(column) * column.itemsize for column in columns)

    def add(self, event: Event, position: int, clock_unix_micros: int) -> None:
        """Replay the next event.

        Args:
            event: The event.
            position: Its position in the log, from 0.
            clock_unix_micros: The newest time in the log so far, over all visitors, this event included.
        """
        now = event.event_time_unix_micros
        self._events += 1
        if self._oldest is None or now < self._oldest:
            self._oldest = now
        visitor = self._visitors.get(event.user_id)
        if visitor is None:
            known = not event.user_id.startswith(ANONYMOUS_PREFIX)
            visitor = self._visitors[event.user_id] = _Visitor(position, known, clock_unix_micros, now, begin(event))
        elif not self._follows_events:
            self._decide_until(visitor, clock_unix_micros)
        state = visitor.state
        if not self._distinct_ids:
            event_digest = digest(event.event_id)
            if contains(state.recent_events, event_digest):
                self._duplicates += 1
                return
            remember(state, event_digest)
        kind = event.type
        orders, spent_micros = state.orders, state.spent_micros
        session = fold_into(state, event, self._needs, self._aggregates)
        if now >= visitor.newest_unix_micros:
            visitor.newest_unix_micros = now
        else:
            self._order.add_late(
                visitor.newest_unix_micros - now,
                is_first_of_visitor=not visitor.has_late,
                lost_session=session is None and kind != _REFUND,
            )
            visitor.has_late = True
        if clock_unix_micros - now > BEHIND_MICROS:
            self._order.behind_log += 1
        prefix_length = 0 if session is None else session.event_count
        if prefix_length == 1 and visitor.sessions:
            self._drop_ended_sessions(visitor)
        if kind in _MONEY_MOVES:
            # What the fold counts: the same order sent again, or one more line of it, is not another purchase.
            is_order = state.orders > orders
            self._add_outcome(visitor.number, event, position, state.spent_micros - spent_micros, is_order=is_order)
            if session is not None and is_order:
                tracked = self._tracked_session(visitor, session, position)
                tracked.purchase_position = min(tracked.purchase_position, position)
        if self._decisions.wants(event, position, prefix_length):
            self._add_row(
                visitor,
                pack_rows((state,), (now + self._now_shift_micros,), (event.session_id,), self._feature_set),
                order=position,
                time_unix_micros=now,
                seen_unix_micros=state.last_seen_unix_micros,
                seen_position=position,
                session=NO_SESSION
                if session is None
                else self._row_index(self._tracked_session(visitor, session, position)),
                prefix_length=prefix_length,
            )

    def finish(self, log_end_unix_micros: int) -> Recording:
        """Make the decisions due by the log's end and return the columns; call it once."""
        if not self._follows_events:
            for visitor in self._visitors.values():
                self._decide_until(visitor, log_end_unix_micros)
        for visitor in self._visitors.values():
            for tracked in visitor.sessions.values():
                self._write(tracked)
        return Recording(
            rows=self._all_rows(),
            outcomes=Outcomes(**_arrays(self._outcomes)),
            events=self._events,
            duplicates=self._duplicates,
            visitors=len(self._visitors),
            order=self._order.result(events=self._events, visitors=len(self._visitors)),
            first_unix_micros=self._oldest or 0,
            last_unix_micros=log_end_unix_micros,
        )

    def _decide_until(self, visitor: _Visitor, until_unix_micros: int) -> None:
        """Make the decisions that follow no event and came due while the visitor had the current state."""
        state = visitor.state
        for moment in self._decisions.moments(
            last_seen_unix_micros=state.last_seen_unix_micros,
            after_unix_micros=visitor.decided_until_unix_micros,
            until_unix_micros=until_unix_micros,
        ):
            self._add_row(
                visitor,
                pack_rows((state,), (moment + self._now_shift_micros,), ("",), self._feature_set),
                order=moment,
                time_unix_micros=moment,
                seen_unix_micros=moment,
                seen_position=-1,
                session=NO_SESSION,
                prefix_length=0,
            )
        visitor.decided_until_unix_micros = until_unix_micros

    def _tracked_session(self, visitor: _Visitor, session: Session, position: int) -> _TrackedSession:
        """Return the tracked session, whose number is the position of its first row or purchase."""
        tracked = visitor.sessions.get(session.session_id)
        if tracked is None or tracked.session is not session:
            tracked = visitor.sessions[session.session_id] = _TrackedSession(session, position)
        return tracked

    def _drop_ended_sessions(self, visitor: _Visitor) -> None:
        """Write the visitor's ended sessions to the columns and drop them; called when a new one starts."""
        still_open = [id(session) for session in visitor.state.sessions]
        for session_id, tracked in list(visitor.sessions.items()):
            if id(tracked.session) not in still_open:
                self._write(tracked)
                del visitor.sessions[session_id]

    def _row_index(self, tracked: _TrackedSession) -> int:
        """Return a session's index in the session columns."""
        if tracked.row_index < 0:
            tracked.row_index = len(self._sessions["number"])
            for column in self._sessions.values():
                column.append(0)
        return tracked.row_index

    def _write(self, tracked: _TrackedSession) -> None:
        if tracked.row_index < 0:
            return
        columns = self._sessions
        columns["number"][tracked.row_index] = tracked.number
        columns["start"][tracked.row_index] = tracked.session.start_unix_micros
        columns["end"][tracked.row_index] = tracked.session.last_unix_micros
        columns["purchase"][tracked.row_index] = tracked.purchase_position

    def _add_outcome(
        self, visitor_number: int, event: Event, position: int, money_micros: int, *, is_order: bool
    ) -> None:
        outcomes = self._outcomes
        outcomes["visitor"].append(visitor_number)
        outcomes["position"].append(position)
        outcomes["time_unix_micros"].append(event.event_time_unix_micros)
        outcomes["money_micros"].append(money_micros)
        outcomes["is_purchase"].append(is_order)

    def _add_row(self, visitor: _Visitor, features: bytearray, **values: int) -> None:
        self._features.frombytes(features)
        rows, state = self._rows, visitor.state
        for name, value in values.items():
            rows[name].append(value)
        rows["visitor"].append(visitor.number)
        rows["known"].append(visitor.known)
        rows["device"].append(state.device)
        self._country_indices.append(self._countries.setdefault(state.country, len(self._countries)))

    def _all_rows(self) -> Rows:
        columns = _arrays(self._rows)
        sessions = _arrays(self._sessions)
        row_indices = columns["session"]
        columns["session"] = _of_sessions(sessions["number"], row_indices, NO_SESSION)
        columns["session_start_unix_micros"] = _of_sessions(sessions["start"], row_indices, 0)
        columns["session_end_unix_micros"] = _of_sessions(sessions["end"], row_indices, 0)
        columns["session_purchase_position"] = _of_sessions(sessions["purchase"], row_indices, NEVER)
        return Rows(
            features=np.array(self._features, dtype=np.float32).reshape(-1, len(self._feature_set.features)),
            country=np.array([*self._countries, ""], dtype=_COUNTRY)[np.array(self._country_indices, dtype=np.int64)],
            **columns,
        )


def _of_sessions(column: NDArray[np.int64], row_indices: NDArray[np.int64], default: int) -> NDArray[np.int64]:
    """Look up a session column for each row; ``default`` for rows with NO_SESSION."""
    assert NO_SESSION == -1
    return np.append(column, default)[row_indices]


def _arrays(columns: Mapping[str, array[int]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(column, dtype=_DTYPES.get(name, np.int64)) for name, column in columns.items()}
