"""States compared without their slots, and slots taken over into a state whose history is longer than the log's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from presage_featurizer import Aggregates, State
from presage_featurizer.state import Session, Slots, TimedValue, copy_state

__all__ = ["with_slots", "with_undeclared_slots", "without_slots"]

_Slot = int | float | bytes | TimedValue


def without_slots(state: State) -> State:
    """Return a copy with empty slots; the state itself if its slots are empty."""
    if not state.slots and not any(session.slots for session in state.sessions):
        return state
    bare = copy_state(state)
    bare.slots = {}
    for session in bare.sessions:
        session.slots = {}
    return bare


def with_slots(stored: State, replayed: State, aggregates: Aggregates) -> State:
    """Return the stored state with the slots of a replayed one, each where the replay has seen more.

    What a server folded since a feature was declared, and what the log holds, are both ends of one history: the longer one has all
    that the shorter one has. Slots of a session are taken over into the same session, if it is open in both.
    """
    kinds = {aggregate.key: aggregate.kind for aggregate in aggregates.aggregates}
    state = copy_state(stored)
    state.slots = _merge(stored.slots, replayed.slots, kinds)
    sessions = {_identity(session): session for session in replayed.sessions}
    for session in state.sessions:
        same = sessions.get(_identity(session))
        if same is not None:
            session.slots = _merge(session.slots, same.slots, kinds)
    return state


def with_undeclared_slots(replayed: State, stored: State, aggregates: Aggregates) -> State:
    """Return a replayed state with those slots of the stored one that are not declared: servers may know more declarations.

    A session that a rebuild lengthened has another beginning, so the same one is found by its last event.
    """
    declared = {aggregate.key for aggregate in aggregates.aggregates}
    state = copy_state(replayed)
    state.slots |= _undeclared(stored.slots, declared)
    sessions = {(session.session_id, session.last_unix_micros): session for session in stored.sessions}
    for session in state.sessions:
        same = sessions.get((session.session_id, session.last_unix_micros))
        if same is not None:
            session.slots |= _undeclared(same.slots, declared)
    return state


def _undeclared(slots: Slots, declared: Collection[int]) -> Slots:
    return {key: value for key, value in slots.items() if key not in declared}


def _identity(session: Session) -> tuple[str, int]:
    return session.session_id, session.start_unix_micros


def _merge(stored: Slots, replayed: Slots, kinds: Mapping[int, str]) -> Slots:
    merged = dict(stored)
    for key, value in replayed.items():
        kind = kinds.get(key)
        if kind is not None and (key not in stored or _has_seen_more(kind, value, stored[key])):
            merged[key] = value
    return merged


def _has_seen_more(kind: str, one: _Slot, other: _Slot) -> bool:
    """Return whether a slot comes from more events than another of the same aggregate, of which one has all that the other has."""
    if isinstance(one, TimedValue) and isinstance(other, TimedValue):
        if one.unix_micros != other.unix_micros or kind != "decayed_sum":
            return one.unix_micros > other.unix_micros
        one, other = _number(one.value), _number(other.value)
    if isinstance(one, bytes) and isinstance(other, bytes):
        return len(one) > len(other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        if kind == "min":
            return one < other
        if kind == "max":
            return one > other
        return abs(one) > abs(other)
    return False


def _number(value: float | str) -> float:
    return 0.0 if isinstance(value, str) else value
