"""The states that logged events give, by visitor."""

from __future__ import annotations

import msgspec

from presage_featurizer import Aggregates, Event, State
from presage_featurizer.event_log import EntryId
from presage_featurizer.fold import begin, fold_in_place

__all__ = ["Histories", "History"]


class History(msgspec.Struct, gc=False):
    """What the log says of one visitor."""

    state: State
    begins: bool
    """Whether the log has the visitor's beginning: no event before the first one that was folded."""
    last_unix_millis: int
    """When the store received the last event."""
    life: State | None = None
    """What the events since the last one that found no state give, where they were joined to older ones."""


class Histories:
    """Folds the events of some partitions.

    Args:
        aggregates: What states keep for declared features.
        join_gaps_millis: None folds as the servers did: an event that found no state begins a new history. A number ignores that
            mark where the visitor's last event was less than so long ago: the state had not expired, but was lost.
    """

    def __init__(self, aggregates: Aggregates, *, join_gaps_millis: int | None = None) -> None:
        self._aggregates = aggregates
        self._join_gaps_millis = join_gaps_millis
        self._partitions: dict[int, dict[str, History]] = {}

    def of(self, partition: int) -> dict[str, History]:
        """Return the histories of a partition's visitors, by user id."""
        return self._partitions.setdefault(partition, {})

    def forget(self, partition: int) -> None:
        """Free the memory of a partition."""
        self._partitions.pop(partition, None)

    def fold(self, partition: int, entry_id: EntryId, event: Event, *, fresh: bool) -> None:
        """Fold the next event of a partition.

        Args:
            partition: The visitor's.
            entry_id: The place in its stream.
            event: The event.
            fresh: Whether it was folded into no state.
        """
        visitors = self.of(partition)
        history = visitors.get(event.user_id)
        if history is None or (fresh and self._forgets(history, entry_id)):
            history = visitors[event.user_id] = History(begin(event), fresh, 0)
        elif fresh:
            history.life = begin(event)
        fold_in_place(history.state, event, self._aggregates)
        if history.life is not None:
            fold_in_place(history.life, event, self._aggregates)
        history.last_unix_millis = entry_id.unix_millis

    def _forgets(self, history: History, entry_id: EntryId) -> bool:
        if self._join_gaps_millis is None:
            return True
        return entry_id.unix_millis - history.last_unix_millis >= self._join_gaps_millis
