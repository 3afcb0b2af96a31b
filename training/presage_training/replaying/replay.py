"""Replay: a log folded in memory, visitor by visitor, by the fold that serves live traffic."""

from __future__ import annotations

from presage_featurizer import Event, State, fold

__all__ = ["Replay"]


class Replay:
    """The states of all visitors of a log, as far as it has been read."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        """What is remembered of each visitor."""

    def fold(self, event: Event, *, fresh: bool = False) -> State:
        """Fold the next event of the log.

        Args:
            event: What happened.
            fresh: Whether the visitor's history before it is to be forgotten, as the event log of a server marks an event that
                found none: the visitor was new, had been forgotten, or could not be read.

        Returns:
            The visitor's state right after the event; the same object as before if the event is a duplicate.
        """
        state = fold(None if fresh else self.states.get(event.user_id), event)
        self.states[event.user_id] = state
        return state
