"""The states of a log's visitors, folded in memory by the fold that serves live traffic."""

from __future__ import annotations

from presage_featurizer import NO_AGGREGATES, Aggregates, Event, State, visitor_subject

__all__ = ["Replay"]


class Replay:
    """The states of all visitors of the part of a log that has been read.

    Args:
        aggregates: What else the fold keeps, for a project's own features.
    """

    def __init__(self, aggregates: Aggregates = NO_AGGREGATES) -> None:
        self._subject = visitor_subject(aggregates)
        self.states: dict[str, State] = {}
        """By visitor id."""

    def fold(self, event: Event, *, fresh: bool = False) -> State:
        """Fold the next event of the log.

        Args:
            event: The event.
            fresh: Whether to drop the visitor's history before it. A server's event log marks events that found no state this way:
                the visitor was new, had expired, or could not be read.

        Returns:
            The visitor's state right after the event; the same object as before if the event is a duplicate.
        """
        (user_id,) = self._subject.ids(event)
        state = self.states[user_id] = self._subject.fold(None if fresh else self.states.get(user_id), event)
        return state
