"""What a catalogue says of items, at the moments of a replay from which on it may be known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from presage_featurizer import Event
from presage_featurizer.ranking.items_counter import CatalogueChange

__all__ = ["DatedCatalogue"]


class DatedCatalogue:
    """Changes that are due from an item's ``first_seen`` on, or from the first event that names it, whichever comes first.

    Those of items without a date are due at the beginning. Until then nothing knows of an item, so it is no candidate.
    """

    def __init__(self, changes: Iterable[CatalogueChange]) -> None:
        self._waiting: dict[str, list[CatalogueChange]] = {}
        dates: dict[str, int] = {}
        for change in changes:
            self._waiting.setdefault(change.item_id, []).append(change)
            if change.first_seen_unix_micros is not None:
                dates[change.item_id] = change.first_seen_unix_micros  # the last row of an item holds
        self._order = sorted(self._waiting, key=lambda item_id: dates.get(item_id, 0), reverse=True)
        self._dates = dates
        self.items = len(self._order)
        """How many items it knows."""

    def due(self, event: Event) -> Iterator[CatalogueChange]:
        """Take what is due right before an event."""
        waiting = self._waiting
        if not waiting:
            return
        for item in event.items:
            yield from waiting.pop(item.item_id, ())
        now = event.event_time_unix_micros
        while self._order and self._dates.get(self._order[-1], 0) <= now:
            yield from waiting.pop(self._order.pop(), ())
