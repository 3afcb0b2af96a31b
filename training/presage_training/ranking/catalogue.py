"""What a catalogue says of items, at the moments of a replay from which on it may be known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from presage_featurizer import Event
from presage_featurizer.event_log import BEGINNING
from presage_featurizer.event_log.catalogue import ArchivedChange
from presage_featurizer.ranking.items_counter import CatalogueChange

__all__ = ["ArchivedCatalogue", "Catalogue", "DatedCatalogue"]


class Catalogue(Protocol):
    """Changes of a catalogue that a replay asks for, event by event."""

    @property
    def items(self) -> int:
        """How many items it has said something of."""

    def due(self, event: Event) -> Iterable[tuple[int, CatalogueChange]]:
        """Take what is due right before an event, and the moments since when, which rise, in microseconds."""


class DatedCatalogue:
    """Changes that are due from an item's ``first_seen`` on, or from the first event that names it, whichever comes first.

    Those of items without a date are due at the beginning. Until then nothing knows of an item, so it is no candidate.
    """

    def __init__(self, changes: Iterable[CatalogueChange] = ()) -> None:
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

    def due(self, event: Event) -> Iterator[tuple[int, CatalogueChange]]:
        """Take what is due right before an event, which is the moment of all."""
        if not self._waiting:
            return
        now = event.event_time_unix_micros
        for item in event.items:
            yield from self.due_of(item.item_id, now)
        while self._order and self._dates.get(self._order[-1], 0) <= now:
            yield from self.due_of(self._order.pop(), now)

    def due_of(self, item_id: str, unix_micros: int) -> Iterator[tuple[int, CatalogueChange]]:
        """Take what waits for an item, at a moment."""
        for change in self._waiting.pop(item_id, ()):
            yield unix_micros, change


class ArchivedCatalogue:
    """The changes of an archive, each due at the moment at which the store got it.

    What the catalogue had said when the archive began is due as in a ``DatedCatalogue``: since when is not known.

    Args:
        changes: In the order of their stream; read as the replay goes.
    """

    def __init__(self, changes: Iterable[ArchivedChange]) -> None:
        self._changes = iter(changes)
        self._next = next(self._changes, None)
        before = []
        while self._next is not None and self._next.entry_id == BEGINNING:
            before.append(self._next.change)
            self._next = next(self._changes, None)
        self._before = DatedCatalogue(before)
        self._known = {hash(change.item_id) for change in before}

    @property
    def items(self) -> int:
        """How many items it has said something of."""
        return len(self._known)

    def due(self, event: Event) -> Iterator[tuple[int, CatalogueChange]]:
        """Take what is due right before an event, and when the store got it."""
        now = event.event_time_unix_micros
        while self._next is not None and self._next.place.unix_micros <= now:
            change, moment = self._next.change, self._next.place.unix_micros
            yield from self._before.due_of(change.item_id, moment)  # not after what is newer
            self._known.add(hash(change.item_id))
            yield moment, change
            self._next = next(self._changes, None)
        yield from self._before.due(event)
