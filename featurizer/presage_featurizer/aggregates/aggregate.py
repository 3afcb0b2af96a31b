"""What an aggregate is: which events, which of their attributes, summed up how, and over what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from presage_featurizer.aggregates.attributes import Attribute, attribute_named
from presage_featurizer.events import EventType

__all__ = ["KINDS", "MAX_CAP", "Aggregate", "Condition", "Kind", "Over"]

Kind = Literal["count", "sum", "min", "max", "last", "distinct", "decayed_sum", "time_since_last"]
Over = Literal["session", "visitor"]

KINDS: tuple[Kind, ...] = ("count", "sum", "min", "max", "last", "distinct", "decayed_sum", "time_since_last")

MAX_CAP = 256
"""Distinct values that one aggregate may keep."""

_KEY_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What an attribute has to be: one of some values, or a number within bounds."""

    attribute: str
    values: tuple[str | float, ...] = ()
    """Sorted; none if it has bounds."""
    low: float | None = None
    high: float | None = None

    @property
    def parts(self) -> list[str | float] | dict[str, float]:
        """The condition as it is declared."""
        bounds = {"min": self.low, "max": self.high}
        return list(self.values) or {name: bound for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregate:
    """What is kept of a visitor's events in one slot. Its parts must have been checked."""

    kind: Kind
    over: Over
    of: str = ""
    """The attribute; empty for the events, or items, themselves."""
    events: tuple[EventType, ...] = ()
    """The types of events, in the order of their numbers; none for all."""
    where: tuple[Condition, ...] = ()
    """All of them have to hold; in the order of their attributes' names."""
    cap: int = 0
    """How many values ``distinct`` keeps."""
    half_life_micros: int = 0
    """The time in which a ``decayed_sum`` halves."""
    definition: str = field(init=False, compare=False)
    """Canonical JSON: the same for the same aggregate, however it was written."""
    key: int = field(init=False, compare=False)
    """The key of its slot: equal aggregates share one."""

    def __post_init__(self) -> None:
        definition = json.dumps(self._parts(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "definition", definition)
        digest = hashlib.sha256(definition.encode()).digest()
        object.__setattr__(self, "key", int.from_bytes(digest[:_KEY_BYTES], "big"))

    @property
    def attribute(self) -> Attribute | None:
        return attribute_named(self.of)

    @property
    def over_items(self) -> bool:
        """Whether it goes over the items of an event: it, or one of its conditions, names an attribute of items."""
        return any(name.startswith("item.") for name in (self.of, *[each.attribute for each in self.where]))

    def concerns(self, kind: EventType) -> bool:
        """Return whether events of a type can change it: refunds belong to no session."""
        if kind == EventType.REFUND and self.over == "session":
            return False
        return not self.events or kind in self.events

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"aggregate": self.kind, "over": self.over}
        if self.of:
            parts["of"] = self.of
        if self.events:
            parts["events"] = [kind.name for kind in self.events]
        if self.where:
            parts["where"] = {each.attribute: each.parts for each in self.where}
        if self.cap:
            parts["cap"] = self.cap
        if self.half_life_micros:
            parts["half_life_micros"] = self.half_life_micros
        return parts
