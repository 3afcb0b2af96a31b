"""Whether the log holds every event that a stored state has seen, so that replacing the state loses nothing."""

from __future__ import annotations

from presage_featurizer import State, encode_state
from presage_featurizer.digests import WIDTH
from presage_featurizer.state import MAX_RECENT_EVENTS
from presage_server.backfill.histories import History
from presage_server.backfill.slots import without_slots

__all__ = ["covers"]

_RECENT_BYTES = MAX_RECENT_EVENTS * WIDTH


def covers(history: History, stored: State, *, log_is_whole: bool) -> bool:
    """Return whether the log has all events of a stored state.

    The state remembers the ids of its last events. While it has seen no more than those, the same ids prove it. Of a longer history
    they prove the end only; the rest must then have no known hole, and nothing that a state counts may be less than what is stored.

    Args:
        history: What the log gives.
        stored: The stored state.
        log_is_whole: Whether no event of the visitor's partition is known to be missing.
    """
    lives = [(history.state, history.begins)]
    if history.life is not None:
        lives.append((history.life, True))
    return any(
        replayed.recent_events == stored.recent_events
        and (
            len(stored.recent_events) < _RECENT_BYTES
            or encode_state(without_slots(replayed)) == encode_state(without_slots(stored))
            or (log_is_whole and begins and _counts_no_less(replayed, stored))
        )
        for replayed, begins in lives
    )


def _counts_no_less(replayed: State, stored: State) -> bool:
    return (
        replayed.first_seen_unix_micros <= stored.first_seen_unix_micros
        and replayed.orders >= stored.orders
        and replayed.closed_sessions >= stored.closed_sessions
        and replayed.habits.item_views >= stored.habits.item_views
        and all(replayed.habits.events.get(kind, 0) >= count for kind, count in stored.habits.events.items())
    )
