"""Sessions: which one an event belongs to, and when one ends.

Without a session id, the visitor's events form sessions that end after 30 idle minutes of event time. With one, the session is the
caller's: it goes on as long as its id comes back within a day. A late event joins the session whose time it falls into, and none if
that one is over.
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
    """End the sessions that are over as of the state's newest event (changes the state in place)."""
    _find_open(state, None)


def enter_session(state: State, event: Event) -> Session | None:
    """Put an event into its session, begun if need be, which becomes the last of the state's; sessions that are over end.

    Changes the state, and its session, in place.

    Returns:
        None for a late event whose session is over: it counts for the visitor, not for a session.
    """
    session_id, now = event.session_id, event.event_time_unix_micros
    session = _find_open(state, session_id)
    if session is None:
        return _begin_session(state, session_id, now)
    if now >= session.last_unix_micros:
        session.last_unix_micros = now
    elif now < session.start_unix_micros:
        if session.start_unix_micros - now > _idle_limit_micros(session_id):
            return None
        session.start_unix_micros = now
    if session is not state.sessions[-1]:
        state.sessions = (*[other for other in state.sessions if other is not session], session)
    return session


def current_session(state: CoreState, now_unix_micros: int, session_id: str) -> Session | None:
    """Find the session to featurize, the named or else the most recent one; None if there is none or it was idle for too long."""
    found: Session | None = None
    for session in state.sessions:
        if session_id:
            if session.session_id == session_id:
                found = session
        # Of sessions with equal times the one that changed last wins.
        elif found is None or session.last_unix_micros >= found.last_unix_micros:
            found = session
    limit = NAMED_SESSION_IDLE_MICROS if session_id else SESSION_IDLE_MICROS
    return None if found is None or now_unix_micros - found.last_unix_micros > limit else found


def _find_open(state: State, session_id: str | None) -> Session | None:
    """Find the session of an id; end those that are over on the way. In one pass, since every event takes it."""
    found = None
    newest = state.last_seen_unix_micros
    for session in state.sessions:
        if session.session_id == session_id:
            found = session
        silent = newest - session.last_unix_micros
        # The shorter limit comes first: most sessions were heard of just now.
        if silent > SESSION_IDLE_MICROS and silent > _idle_limit_micros(session.session_id):
            _close(state, session)
            if found is session:
                found = None
    return found


def _begin_session(state: State, session_id: str, now: int) -> Session | None:
    if state.last_seen_unix_micros - now > _idle_limit_micros(session_id):
        return None
    sessions = state.sessions
    if len(sessions) >= MAX_OPEN_SESSIONS:
        silent_longest = sessions[0]
        for session in sessions:
            if session.last_unix_micros < silent_longest.last_unix_micros:
                silent_longest = session
        if now < silent_longest.last_unix_micros:
            return None
        _close(state, silent_longest)
    begun = Session(session_id, now, now)
    state.sessions = (*state.sessions, begun)
    return begun


def _close(state: State, session: Session) -> None:
    state.sessions = tuple([other for other in state.sessions if other is not session])
    state.closed_sessions += 1
    if session.event_count == 1:
        state.bounced_sessions += 1


def _idle_limit_micros(session_id: str) -> int:
    return NAMED_SESSION_IDLE_MICROS if session_id else SESSION_IDLE_MICROS
