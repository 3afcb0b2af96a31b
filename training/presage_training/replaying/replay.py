"""The states of a log's visitors, folded in memory by the fold that serves live traffic."""

from __future__ import annotations

from presage_featurizer import Event, State, fold
from presage_featurizer.custom import NO_AGGREGATES, Aggregates

__all__ = ["Replay"]


class Replay:
    """The states of all visitors of the part of a log that has been read.

    Args:
        aggregates: What a project's features need, see ``CustomFeatures``.
    """

    def __init__(self, aggregates: Aggregates = NO_AGGREGATES) -> None:
        self._aggregates = aggregates
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
        user_id = event.user_id
        state = self.states[user_id] = fold(None if fresh else self.states.get(user_id), event, self._aggregates)
        return state
