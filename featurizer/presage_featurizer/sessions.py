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
    Session,
    State,
    copy_struct,
)

__all__ = ["close_finished", "current_session", "enter_session"]


def close_finished(state: State) -> None:
    """End the sessions that are over as of the state's newest event (changes the state in place)."""
    newest = state.last_seen_unix_micros
    for session in state.sessions:
        if newest - session.last_unix_micros > _idle_limit_micros(session.session_id):
            _count_closed(state, session)
            state.sessions = tuple(other for other in state.sessions if other is not session)


def enter_session(state: State, event: Event) -> Session | None:
    """Answer with a fresh copy of the event's session, begun if need be and already placed in the state (changed in place).

    Returns:
        None for a late event whose session is over: it counts for the visitor, not for a session.
    """
    session_id, now = event.session_id, event.event_time_unix_micros
    for position, session in enumerate(state.sessions):
        if session.session_id == session_id:
            if session.start_unix_micros - now > _idle_limit_micros(session_id):
                return None
            entered = copy_struct(session)
            if now > session.last_unix_micros:
                entered.last_unix_micros = now
            elif now < session.start_unix_micros:
                entered.start_unix_micros = now
            state.sessions = (*state.sessions[:position], *state.sessions[position + 1 :], entered)
            return entered
    if state.last_seen_unix_micros - now > _idle_limit_micros(session_id):
        return None
    others = state.sessions
    if len(others) >= MAX_OPEN_SESSIONS:
        silent_longest = min(others, key=lambda session: session.last_unix_micros)
        if now < silent_longest.last_unix_micros:
            return None
        _count_closed(state, silent_longest)
        others = tuple(session for session in others if session is not silent_longest)
    entered = Session(session_id, now, now)
    state.sessions = (*others, entered)
    return entered


def current_session(state: State, now_unix_micros: int, session_id: str) -> Session | None:
    """Find the session to featurize, the named or else the most recent one; None if there is none or it was idle for too long."""
    if session_id:
        found = next((session for session in state.sessions if session.session_id == session_id), None)
    else:
        # Reversed, so that of sessions with equal times the one that changed last wins.
        found = max(reversed(state.sessions), key=lambda session: session.last_unix_micros, default=None)
    if found is None or now_unix_micros - found.last_unix_micros > _idle_limit_micros(session_id):
        return None
    return found


def _idle_limit_micros(session_id: str) -> int:
    return NAMED_SESSION_IDLE_MICROS if session_id else SESSION_IDLE_MICROS


def _count_closed(state: State, session: Session) -> None:
    state.closed_sessions += 1
    if session.event_count == 1:
        state.bounced_sessions += 1
