"""Replaying a log event by event, through the fold and the featurizer that serve live traffic, into columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Event, EventType, FeatureSet, State
from presage_featurizer.digests import contains, digest
from presage_featurizer.featurize import feature_values
from presage_featurizer.fold import begin, fold_into, remember
from presage_featurizer.state import MAX_MONEY_MICROS, Session
from presage_training.replaying.decisions import DecisionPoints
from presage_training.replaying.recording import NEVER, NO_SESSION, Outcomes, Recording, Rows

__all__ = ["ANONYMOUS_PREFIX", "Recorder"]

ANONYMOUS_PREFIX = "anonymous:"
"""How the readers begin the id of a visitor whom the log does not name."""

_DTYPES: Mapping[str, type[np.generic]] = {
    "prefix_length": np.int32,
    "known": np.bool_,
    "device": np.int8,
    "is_purchase": np.bool_,
}
"""Of the columns that are not int64."""

_COUNTRY = "<U2"

# Looking a member up in its enumeration, or in a set, takes a while at every event.
_PURCHASE = EventType.PURCHASE
_MONEY_MOVES = (_PURCHASE, EventType.REFUND)


@dataclass(slots=True)
class _Session:
    """An open session that gave a row or a purchase; others cost nothing."""

    session: Session
    """The fold's own, which it changes as long as the session is open."""
    number: int
    purchase_position: int = NEVER
    place: int = -1
    """Its place in the columns; -1 as long as it has given no row."""


@dataclass(slots=True)
class _Visitor:
    """A visitor so far."""

    number: int
    known: bool
    decided_until_unix_micros: int
    state: State
    """This recorder's own: it is folded in place."""
    sessions: dict[str, _Session] = field(default_factory=dict)
    """Those that are open, by their ids, and some that were."""


class Recorder:
    """Replays a log, remembering states of visitors and columns of rows: no event is kept.

    Args:
        decisions: When to make a row.
        feature_set: Of which features.
        distinct_ids: Whether no two events of the log have one id, as where the reader makes them. Then none is remembered, which
            saves a third of the time.
        now_shift_micros: How much later than it is (earlier, if below 0) the features take it to be. Anything but 0 only serves to
            find out what a model owes to the exact moment.
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
        self._habits = feature_set.uses_habits
        self._distinct_ids = distinct_ids
        self._now_shift_micros = now_shift_micros
        self._visitors: dict[str, _Visitor] = {}
        self._events = self._duplicates = 0
        self._oldest: int | None = None
        self._features = array("f")
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
        features = len(self._features) * self._features.itemsize
        return features + sum(len(column) * column.itemsize for column in columns)

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
            visitor = self._visitors[event.user_id] = _Visitor(position, known, clock_unix_micros, begin(event))
        elif not self._follows_events:
            self._decide_until(visitor, clock_unix_micros)
        state = visitor.state
        if not self._distinct_ids:
            event_digest = digest(event.event_id)
            if contains(state.recent_events, event_digest):
                self._duplicates += 1
                return
            remember(state, event_digest)
        session = fold_into(state, event, habits=self._habits)
        prefix_length = 0 if session is None else session.event_count
        if prefix_length == 1 and visitor.sessions:
            self._forget_ended(visitor)
        kind = event.type
        if kind in _MONEY_MOVES:
            self._add_outcome(visitor.number, event, position)
            if session is not None and kind == _PURCHASE:
                noted = self._noted(visitor, session, position)
                noted.purchase_position = min(noted.purchase_position, position)
        if self._decisions.wants(event, position, prefix_length):
            self._add_row(
                visitor,
                feature_values(state, now + self._now_shift_micros, self._feature_set, session_id=event.session_id),
                order=position,
                time_unix_micros=now,
                seen_unix_micros=state.last_seen_unix_micros,
                seen_position=position,
                session=NO_SESSION if session is None else self._place(self._noted(visitor, session, position)),
                prefix_length=prefix_length,
            )

    def finish(self, log_end_unix_micros: int) -> Recording:
        """Make the decisions that were due by the log's end, and hand over the columns; to be called once."""
        if not self._follows_events:
            for visitor in self._visitors.values():
                self._decide_until(visitor, log_end_unix_micros)
        for visitor in self._visitors.values():
            for noted in visitor.sessions.values():
                self._write(noted)
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
        for moment in self._decisions.moments(
            last_seen_unix_micros=state.last_seen_unix_micros,
            after_unix_micros=visitor.decided_until_unix_micros,
            until_unix_micros=until_unix_micros,
        ):
            self._add_row(
                visitor,
                feature_values(state, moment + self._now_shift_micros, self._feature_set),
                order=moment,
                time_unix_micros=moment,
                seen_unix_micros=moment,
                seen_position=-1,
                session=NO_SESSION,
                prefix_length=0,
            )
        visitor.decided_until_unix_micros = until_unix_micros

    def _noted(self, visitor: _Visitor, session: Session, position: int) -> _Session:
        """Find what is kept of a session, which goes by the position at which something of it was first worth keeping."""
        noted = visitor.sessions.get(session.session_id)
        if noted is None or noted.session is not session:
            noted = visitor.sessions[session.session_id] = _Session(session, position)
        return noted

    def _forget_ended(self, visitor: _Visitor) -> None:
        """Write the visitor's sessions that are over into the columns, and forget them; a new one has just begun."""
        still_open = [id(session) for session in visitor.state.sessions]
        for session_id, noted in list(visitor.sessions.items()):
            if id(noted.session) not in still_open:
                self._write(noted)
                del visitor.sessions[session_id]

    def _place(self, noted: _Session) -> int:
        """Find the place of a session in the columns."""
        if noted.place < 0:
            noted.place = len(self._sessions["number"])
            for column in self._sessions.values():
                column.append(0)
        return noted.place

    def _write(self, noted: _Session) -> None:
        if noted.place < 0:
            return
        columns = self._sessions
        columns["number"][noted.place] = noted.number
        columns["start"][noted.place] = noted.session.start_unix_micros
        columns["end"][noted.place] = noted.session.last_unix_micros
        columns["purchase"][noted.place] = noted.purchase_position

    def _add_outcome(self, visitor_number: int, event: Event, position: int) -> None:
        is_purchase = event.type == _PURCHASE
        money = max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, event.money_micros))
        outcomes = self._outcomes
        outcomes["visitor"].append(visitor_number)
        outcomes["position"].append(position)
        outcomes["time_unix_micros"].append(event.event_time_unix_micros)
        outcomes["money_micros"].append(money if is_purchase else -money)
        outcomes["is_purchase"].append(is_purchase)

    def _add_row(self, visitor: _Visitor, features: list[float], **values: int) -> None:
        self._features.extend(features)
        rows, state = self._rows, visitor.state
        for name, value in values.items():
            rows[name].append(value)
        rows["visitor"].append(visitor.number)
        rows["known"].append(visitor.known)
        rows["device"].append(state.device)
        self._country_places.append(self._countries.setdefault(state.country, len(self._countries)))

    def _all_rows(self) -> Rows:
        columns = _arrays(self._rows)
        sessions = _arrays(self._sessions)
        places = columns["session"]
        columns["session"] = _of_sessions(sessions["number"], places, NO_SESSION)
        columns["session_start_unix_micros"] = _of_sessions(sessions["start"], places, 0)
        columns["session_end_unix_micros"] = _of_sessions(sessions["end"], places, 0)
        columns["session_purchase_position"] = _of_sessions(sessions["purchase"], places, NEVER)
        return Rows(
            features=np.array(self._features, dtype=np.float32).reshape(-1, len(self._feature_set.features)),
            country=np.array([*self._countries, ""], dtype=_COUNTRY)[np.array(self._country_places, dtype=np.int64)],
            **columns,
        )


def _of_sessions(column: NDArray[np.int64], places: NDArray[np.int64], otherwise: int) -> NDArray[np.int64]:
    """Look up a column of the sessions for each row; ``otherwise`` for rows whose place is NO_SESSION."""
    assert NO_SESSION == -1
    return np.append(column, otherwise)[places]


def _arrays(columns: Mapping[str, array[int]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(column, dtype=_DTYPES.get(name, np.int64)) for name, column in columns.items()}
