"""What becomes of times that a server with a wrong clock wrote into a visitor's state.

The fold has no clock, so it cannot know which times are wrong. The server that folds an event knows, and says so in the event.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from presage_featurizer.events import MICROS, Event
from presage_featurizer.item_history import move_items_back
from presage_featurizer.state import CoreState, Interest, Slots, State, TimedValue

__all__ = ["MAX_AHEAD_MICROS", "move_back", "with_server_clock"]

MAX_AHEAD_MICROS = 5 * 60 * MICROS
"""How far a state may be ahead of a server's clock: an event may be that much ahead when it is accepted."""

K = TypeVar("K", str, bytes)


def with_server_clock(event: Event, state: CoreState | None, clock_unix_micros: int) -> Event:
    """Return the event as the server has to fold and record it, given the state that it will be folded into.

    If the state's newest event is more than MAX_AHEAD_MICROS ahead of the server's clock, the event carries that clock.
    """
    is_ahead = state is not None and state.last_seen_unix_micros > clock_unix_micros + MAX_AHEAD_MICROS
    expected = clock_unix_micros if is_ahead else 0
    if event.server_clock_unix_micros == expected:
        return event
    return msgspec.structs.replace(event, server_clock_unix_micros=expected)


def move_back(state: State, clock_unix_micros: int) -> None:
    """Set every time of a state that is later than the clock to the clock; changes the state in place.

    What happened stays counted; only the times are replaced, by the latest at which it can have happened.
    """
    state.first_seen_unix_micros = min(state.first_seen_unix_micros, clock_unix_micros)
    state.last_seen_unix_micros = min(state.last_seen_unix_micros, clock_unix_micros)
    state.first_order_unix_micros = min(state.first_order_unix_micros, clock_unix_micros)
    state.last_order_unix_micros = min(state.last_order_unix_micros, clock_unix_micros)
    for session in state.sessions:
        session.start_unix_micros = min(session.start_unix_micros, clock_unix_micros)
        session.last_unix_micros = min(session.last_unix_micros, clock_unix_micros)
        # A gap that ended at a wrong time is as wrong; none is longer than the session.
        span_micros = session.last_unix_micros - session.start_unix_micros
        session.last_gap_micros = min(session.last_gap_micros, span_micros)
        session.longest_gap_micros = min(session.longest_gap_micros, span_micros)
        _move_slots_back(session.slots, clock_unix_micros)
    _move_slots_back(state.slots, clock_unix_micros)
    _move_interests_back(state.habits.categories, clock_unix_micros)
    move_items_back(state, clock_unix_micros)


def _move_interests_back(interests: dict[K, Interest], clock_unix_micros: int) -> None:
    for key, interest in interests.items():
        if interest.last_unix_micros > clock_unix_micros:
            interests[key] = Interest(interest.score, clock_unix_micros, interest.count)


def _move_slots_back(slots: Slots, clock_unix_micros: int) -> None:
    for key, value in slots.items():
        if isinstance(value, TimedValue) and value.unix_micros > clock_unix_micros:
            slots[key] = TimedValue(value.value, clock_unix_micros)
