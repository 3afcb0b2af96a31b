"""How events change the slots of aggregates: one generated function for all aggregates that an event of a type concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from presage_featurizer.aggregates.aggregate import Aggregate, Over
from presage_featurizer.aggregates.source import update_function
from presage_featurizer.events import Event, EventType
from presage_featurizer.state import Session, Slots, State

__all__ = ["MAX_AGGREGATES", "NO_AGGREGATES", "Aggregates", "fold_slots"]

MAX_AGGREGATES = 64
"""Aggregates that a project may declare; equal ones count once."""

Update = Callable[[Slots, Event], None]
"""Changes slots in place."""


class Aggregates:
    """Aggregates, ready to fold.

    Args:
        aggregates: What to keep; equal ones share a slot.
    """

    def __init__(self, aggregates: Iterable[Aggregate] = ()) -> None:
        self.aggregates = tuple({each.key: each for each in aggregates}.values())
        self.visitor_keys = frozenset(each.key for each in self.aggregates if each.over == "visitor")
        self.session_keys = frozenset(each.key for each in self.aggregates if each.over == "session")
        functions: dict[tuple[Aggregate, ...], Update] = {}
        self.visitor_updates = self._updates("visitor", functions)
        """By event type; types that concern no aggregate are left out."""
        self.session_updates = self._updates("session", functions)
        """The same for aggregates over the session."""

    def __reduce__(self) -> tuple[object, ...]:
        # Generated code cannot be pickled.
        return Aggregates, (self.aggregates,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aggregates) and self.aggregates == other.aggregates

    def __hash__(self) -> int:
        return hash(self.aggregates)

    def _updates(self, over: Over, functions: dict[tuple[Aggregate, ...], Update]) -> dict[EventType, Update]:
        updates: dict[EventType, Update] = {}
        for kind in EventType:
            concerned = tuple(each for each in self.aggregates if each.over == over and each.concerns(kind))
            if concerned:
                if concerned not in functions:
                    functions[concerned] = update_function(concerned)
                updates[kind] = functions[concerned]
        return updates


NO_AGGREGATES = Aggregates()


def fold_slots(aggregates: Aggregates, state: State, session: Session | None, event: Event) -> None:
    """Fold one event into a visitor's slots and those of its session, if it has one; drop slots that are not declared."""
    if state.slots and not state.slots.keys() <= aggregates.visitor_keys:
        state.slots = _declared(state.slots, aggregates.visitor_keys)
    for each in state.sessions:
        if each.slots and not each.slots.keys() <= aggregates.session_keys:
            each.slots = _declared(each.slots, aggregates.session_keys)
    update = aggregates.visitor_updates.get(event.type)
    if update is not None:
        update(state.slots, event)
    if session is not None:
        update = aggregates.session_updates.get(event.type)
        if update is not None:
            update(session.slots, event)


def _declared(slots: Slots, keys: frozenset[int]) -> Slots:
    return {key: value for key, value in slots.items() if key in keys}
