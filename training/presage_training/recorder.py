"""Replaying a log event by event, through the fold and the featurizer that serve live traffic, into columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Event, EventType, FeatureSet, State, featurize, fold
from presage_featurizer.state import MAX_MONEY_MICROS, Session
from presage_training.decisions import DecisionPoints
from presage_training.recording import NEVER, NO_SESSION, Outcomes, Recording, Rows

__all__ = ["ANONYMOUS_PREFIX", "Recorder"]

ANONYMOUS_PREFIX = "anonymous:"
"""How the readers begin the id of a visitor whom the log does not name."""

_BLOCK_ROWS = 4096
_DTYPES: Mapping[str, type[np.generic]] = {
    "prefix_length": np.int32,
    "known": np.bool_,
    "device": np.int8,
    "is_purchase": np.bool_,
}
"""Of the columns that are not int64."""

_COUNTRY = "<U2"

# Looking a member up in its enumeration, or in a set, takes a while at every event.
_PURCHASE, _REFUND = EventType.PURCHASE, EventType.REFUND


@dataclass(slots=True)
class _Session:
    """An open session."""

    number: int
    start_unix_micros: int = 0
    end_unix_micros: int = 0
    purchase_position: int = NEVER
    place: int = -1
    """Its place in the columns; -1 as long as it has given no row, so that sessions without rows cost nothing."""


@dataclass(slots=True)
class _Visitor:
    """A visitor so far."""

    number: int
    known: bool
    decided_until_unix_micros: int
    state: State | None = None
    sessions: dict[str, _Session] = field(default_factory=dict)
    """The open ones, by their ids."""


class Recorder:
    """Replays a log, remembering states of visitors and columns of rows: no event is kept.

    Args:
        decisions: When to make a row.
        feature_set: Of which features.
        now_shift_micros: How much later than it is (earlier, if below 0) the features take it to be. Anything but 0 only serves to
            find out what a model owes to the exact moment.
    """

    def __init__(self, decisions: DecisionPoints, feature_set: FeatureSet, *, now_shift_micros: int = 0) -> None:
        self._decisions = decisions
        self._follows_events = decisions.follows_events
        self._feature_set = feature_set
        self._habits = feature_set.uses_habits
        self._now_shift_micros = now_shift_micros
        self._visitors: dict[str, _Visitor] = {}
        self._events = self._duplicates = 0
        self._oldest: int | None = None
        self._blocks: list[NDArray[np.float32]] = []
        self._rows = {each.name: array("q") for each in fields(Rows) if each.name not in {"features", "country"}}
        self._country_places = array("q")
        self._countries: dict[str, int] = {}
        self._sessions = {name: array("q") for name in ("number", "start", "end", "purchase")}
        self._outcomes = {each.name: array("q") for each in fields(Outcomes)}

    @property
    def row_count(self) -> int:
        """How many rows there are so far."""
        return len(self._country_places)

    @property
    def column_bytes(self) -> int:
        """Memory that the rows and outcomes take so far; the rest is that of visitors' states."""
        columns = (*self._rows.values(), *self._sessions.values(), *self._outcomes.values(), self._country_places)
        return sum(block.nbytes for block in self._blocks) + sum(len(column) * column.itemsize for column in columns)

    def add(self, event: Event, position: int, clock_unix_micros: int) -> None:
        """Replay the next event.

        Args:
            event: What happened.
            position: Its place in the log, from 0.
            clock_unix_micros: The newest time in the log so far, of this event and other visitors' included.
        """
        now = event.event_time_unix_micros
        self._events += 1
        if self._oldest is None or now < self._oldest:
            self._oldest = now
        visitor = self._visitors.get(event.user_id)
        if visitor is None:
            known = not event.user_id.startswith(ANONYMOUS_PREFIX)
            visitor = self._visitors[event.user_id] = _Visitor(position, known, clock_unix_micros)
        elif not self._follows_events:
            self._decide_until(visitor, clock_unix_micros)
        before = visitor.state
        state = fold(before, event, habits=self._habits)
        if state is before:
            self._duplicates += 1
            return
        visitor.state = state
        entered = _entered_session(before, state)
        session = None if entered is None else self._enter(visitor, event, position, entered)
        if event.type == _PURCHASE or event.type == _REFUND:  # noqa: PLR1714 - faster
            self._add_outcome(visitor.number, event, position)
        prefix_length = 0 if entered is None else entered.event_count
        if self._decisions.wants(event, position, prefix_length):
            self._add_row(
                visitor,
                featurize(state, now + self._now_shift_micros, self._feature_set, session_id=event.session_id),
                order=position,
                time_unix_micros=now,
                seen_unix_micros=state.last_seen_unix_micros,
                seen_position=position,
                session=NO_SESSION if session is None else self._place(session),
                prefix_length=prefix_length,
            )

    def finish(self, log_end_unix_micros: int) -> Recording:
        """Make the decisions that were due by the log's end, and hand over the columns; to be called once."""
        if not self._follows_events:
            for visitor in self._visitors.values():
                self._decide_until(visitor, log_end_unix_micros)
        return Recording(
            rows=self._all_rows(),
            outcomes=Outcomes(**_arrays(self._outcomes)),
            events=self._events,
            duplicates=self._duplicates,
            visitors=len(self._visitors),
            first_unix_micros=self._oldest or 0,
            last_unix_micros=log_end_unix_micros,
        )

    def _decide_until(self, visitor: _Visitor, until_unix_micros: int) -> None:
        """Make the decisions that follow no event; the visitor's state was this one when they came due."""
        state = visitor.state
        assert state is not None
        for moment in self._decisions.moments(
            last_seen_unix_micros=state.last_seen_unix_micros,
            after_unix_micros=visitor.decided_until_unix_micros,
            until_unix_micros=until_unix_micros,
        ):
            self._add_row(
                visitor,
                featurize(state, moment + self._now_shift_micros, self._feature_set),
                order=moment,
                time_unix_micros=moment,
                seen_unix_micros=moment,
                seen_position=-1,
                session=NO_SESSION,
                prefix_length=0,
            )
        visitor.decided_until_unix_micros = until_unix_micros

    def _enter(self, visitor: _Visitor, event: Event, position: int, entered: Session) -> _Session:
        """Keep the session that an event went into."""
        session = visitor.sessions.get(event.session_id)
        if session is None or entered.event_count == 1:
            assert visitor.state is not None
            still_open = {each.session_id for each in visitor.state.sessions}
            visitor.sessions = {name: each for name, each in visitor.sessions.items() if name in still_open}
            visitor.sessions[event.session_id] = session = _Session(position)
        session.start_unix_micros, session.end_unix_micros = entered.start_unix_micros, entered.last_unix_micros
        if event.type == _PURCHASE:
            session.purchase_position = min(session.purchase_position, position)
        if session.place >= 0:
            self._write(session)
        return session

    def _place(self, session: _Session) -> int:
        """Find the place of a session in the columns."""
        if session.place < 0:
            session.place = len(self._sessions["number"])
            for column in self._sessions.values():
                column.append(0)
            self._write(session)
        return session.place

    def _write(self, session: _Session) -> None:
        place, columns = session.place, self._sessions
        columns["number"][place] = session.number
        columns["start"][place] = session.start_unix_micros
        columns["end"][place] = session.end_unix_micros
        columns["purchase"][place] = session.purchase_position

    def _add_outcome(self, visitor_number: int, event: Event, position: int) -> None:
        is_purchase = event.type == _PURCHASE
        money = max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, event.money_micros))
        outcomes = self._outcomes
        outcomes["visitor"].append(visitor_number)
        outcomes["position"].append(position)
        outcomes["time_unix_micros"].append(event.event_time_unix_micros)
        outcomes["money_micros"].append(money if is_purchase else -money)
        outcomes["is_purchase"].append(is_purchase)

    def _add_row(self, visitor: _Visitor, vector: NDArray[np.float32], **values: int) -> None:
        place = self.row_count % _BLOCK_ROWS
        if not place:
            self._blocks.append(np.empty((_BLOCK_ROWS, len(vector)), dtype=np.float32))
        self._blocks[-1][place] = vector
        rows, state = self._rows, visitor.state
        assert state is not None
        for name, value in values.items():
            rows[name].append(value)
        rows["visitor"].append(visitor.number)
        rows["known"].append(visitor.known)
        rows["device"].append(state.device)
        self._country_places.append(self._countries.setdefault(state.country, len(self._countries)))

    def _all_rows(self) -> Rows:
        empty = np.empty((0, len(self._feature_set.features)), dtype=np.float32)
        columns = _arrays(self._rows)
        sessions = _arrays(self._sessions)
        places = columns["session"]
        columns["session"] = _of_sessions(sessions["number"], places, NO_SESSION)
        columns["session_start_unix_micros"] = _of_sessions(sessions["start"], places, 0)
        columns["session_end_unix_micros"] = _of_sessions(sessions["end"], places, 0)
        columns["session_purchase_position"] = _of_sessions(sessions["purchase"], places, NEVER)
        return Rows(
            features=np.concatenate([empty, *self._blocks])[: self.row_count],
            country=np.array([*self._countries, ""], dtype=_COUNTRY)[np.array(self._country_places, dtype=np.int64)],
            **columns,
        )


def _entered_session(before: State | None, state: State) -> Session | None:
    """Find the session that the last event went into; None for a refund, or an event of a session that was over."""
    if not state.sessions:
        return None
    # The fold puts it last, as a fresh copy.
    last = state.sessions[-1]
    if before is not None:
        for session in before.sessions:
            if session is last:
                return None
    return last


def _of_sessions(column: NDArray[np.int64], places: NDArray[np.int64], otherwise: int) -> NDArray[np.int64]:
    """Look up a column of the sessions for each row; ``otherwise`` for rows whose place is NO_SESSION."""
    assert NO_SESSION == -1
    return np.append(column, otherwise)[places]


def _arrays(columns: Mapping[str, array[int]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(column, dtype=_DTYPES.get(name, np.int64)) for name, column in columns.items()}
