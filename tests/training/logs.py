"""Logs for the tests of this folder: events written by hand, and a small simulated shop."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from presage_featurizer import Event, EventType, Item
from presage_training.simulator import simulate
from support.events import START_UNIX_MICROS, at, logs


def act(
    event_type: EventType = EventType.PAGE_VIEW,
    minutes: float = 0.0,
    *,
    user_id: str = "ann",
    session_id: str = "s1",
    event_id: str = "",
    items: tuple[Item, ...] = (),
) -> Event:
    """Make an event so many minutes into the log; without an id, it gets one that no other event has."""
    return Event(
        event_id=event_id or f"{event_type.name}-{user_id}-{session_id}-{minutes}",
        type=event_type,
        user_id=user_id,
        event_time_unix_micros=at(minutes),
        session_id=session_id,
        items=items,
    )


def shop(*, visitors: int, days: int = 14, seed: int = 7, session_ids: bool = True) -> list[Event]:
    """Simulate a shop whose first day begins at START_UNIX_MICROS."""
    return simulate(
        seed=seed, visitors=visitors, start_unix_micros=START_UNIX_MICROS, days=days, session_ids=session_ids
    )


@st.composite
def crowd(draw: st.DrawFn, *, max_events: int = 8) -> list[Event]:
    """Draw the log of up to four visitors, one of them anonymous, whose turns are mixed: duplicates, ties, late events and all."""
    names = ("ann", "bob", "anonymous:1", "eve")[: draw(st.integers(1, 4))]
    of_visitors = [
        [replace(event, user_id=name) for event in draw(logs(in_order=False, huge=False, max_events=max_events))]
        for name in names
    ]
    turns = draw(st.permutations([place for place, log in enumerate(of_visitors) for _ in log]))
    remaining = [iter(log) for log in of_visitors]
    return [next(remaining[place]) for place in turns]
