"""Changes of visitors, as a tracker makes them."""

from __future__ import annotations

from presage_featurizer import Event, EventType, fold
from presage_server.store.redis_store import CommitResult
from presage_server.store.snapshot import Change, Snapshot
from support.events import START_UNIX_MICROS

NOTHING = Snapshot(None, b"")
"""What is read of a visitor who has not been seen."""


def page_view(user_id: str = "u", event_id: str = "e") -> Event:
    """Make an event."""
    return Event(event_id, EventType.PAGE_VIEW, user_id, START_UNIX_MICROS)


def change_of(base: Snapshot, *events: Event) -> Change:
    """Fold events into what was read of their visitor."""
    state = base.state
    for event in events:
        state = fold(state, event)
    assert state is not None
    return Change(events[0].user_id, base, state, events)


def were_made(results: list[CommitResult] | tuple[CommitResult, ...]) -> list[bool]:
    """Return which changes were made: those whose result is their new revision."""
    return [isinstance(result, bytes) for result in results]
