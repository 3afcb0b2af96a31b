"""Sessions: which session an event belongs to, and when a session ends.

Events without a session id form sessions that end after 30 idle minutes of event time. A session that the caller names continues as
long as its id comes back within a day. A late event belongs to the session that its time falls into, or to none if that has ended.
"""

from __future__ import annotations

from presage_featurizer.events import Event
from presage_featurizer.state import (
    MAX_OPEN_SESSIONS,
    NAMED_SESSION_IDLE_MICROS,
    SESSION_IDLE_MICROS,
    CoreState,
    Session,
    State,
)

__all__ = ["close_finished", "current_session", "enter_session"]


def close_finished(state: State) -> None:
    """End the sessions that have been idle for too long at the state's newest event (changes the state in place)."""
    _find_open(state, None)


def enter_session(state: State, event: Event) -> Session | None:
    """Find or begin the session of an event and move it to the end of the state's sessions; end those idle for too long.

    Changes the state, and its session, in place.

    Returns:
        None for a late event whose session has ended: it counts for the visitor, but for no session.
    """
    session_id, now = event.session_id, event.event_time_unix_micros
    session = _find_open(state, session_id)
    if session is None:
        session = _begin_session(state, session_id, now)
        if session is not None:
            session.last_type = int(event.type)
        return session
    if now >= session.last_unix_micros:
        gap_micros = now - session.last_unix_micros
        session.last_gap_micros = gap_micros
        session.longest_gap_micros = max(session.longest_gap_micros, gap_micros)
        session.last_type = int(event.type)
        session.last_unix_micros = now
    elif now < session.start_unix_micros:
        if session.start_unix_micros - now > _idle_limit_micros(session_id):
            return None
        session.start_unix_micros = now
    if session is not state.sessions[-1]:
        state.sessions = (*[other for other in state.sessions if other is not session], session)
    return session


def current_session(state: CoreState, now_unix_micros: int, session_id: str) -> Session | None:
    """Find the session to featurize: the named one, or else the most recent. None if it does not exist or is idle for too long."""
    found: Session | None = None
    for session in state.sessions:
        if session_id:
            if session.session_id == session_id:
                found = session
        # Of sessions with equal times, the one that changed last wins.
        elif found is None or session.last_unix_micros >= found.last_unix_micros:
            found = session
    limit = NAMED_SESSION_IDLE_MICROS if session_id else SESSION_IDLE_MICROS
    return None if found is None or now_unix_micros - found.last_unix_micros > limit else found


def _find_open(state: State, session_id: str | None) -> Session | None:
    """Find the open session of an id, and end idle ones in the same pass, since this runs for every event."""
    found = None
    newest = state.last_seen_unix_micros
    for session in state.sessions:
        if session.session_id == session_id:
            found = session
        idle = newest - session.last_unix_micros
        # The shorter limit is checked first, because most sessions are active.
        if idle > SESSION_IDLE_MICROS and idle > _idle_limit_micros(session.session_id):
            _close(state, session)
            if found is session:
                found = None
    return found


def _begin_session(state: State, session_id: str, now: int) -> Session | None:
    if state.last_seen_unix_micros - now > _idle_limit_micros(session_id):
        return None
    sessions = state.sessions
    if len(sessions) >= MAX_OPEN_SESSIONS:
        least_recently_active = sessions[0]
        for session in sessions:
            if session.last_unix_micros < least_recently_active.last_unix_micros:
                least_recently_active = session
        if now < least_recently_active.last_unix_micros:
            return None
        _close(state, least_recently_active)
    new = Session(session_id, now, now)
    state.sessions = (*state.sessions, new)
    return new


def _close(state: State, session: Session) -> None:
    state.sessions = tuple([other for other in state.sessions if other is not session])
    state.closed_sessions += 1
    if session.event_count == 1:
        state.bounced_sessions += 1


def _idle_limit_micros(session_id: str) -> int:
    return NAMED_SESSION_IDLE_MICROS if session_id else SESSION_IDLE_MICROS
