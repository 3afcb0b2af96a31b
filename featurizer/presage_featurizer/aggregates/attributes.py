"""The attributes of an event that an aggregate can name: numbers and labels, value, device and country, the fields of its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from presage_featurizer.events import ATTRIBUTE_NAME, MICROS, Event, EventType

__all__ = ["FIXED_ATTRIBUTES", "Attribute", "attribute_named", "value_of"]

_ORDER_TYPES = (EventType.PURCHASE, EventType.REFUND)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One attribute, and how generated code reads it from ``event`` or ``item``."""

    name: str
    kind: Literal["number", "text", "device"]
    source: str
    """The Python expression of its value."""
    missing: Literal["None", "falsy", "never"] = "falsy"
    """What the expression gives where the attribute is missing."""
    scale: int = 1
    """The expression's value of 1: a million for money."""

    @property
    def of_item(self) -> bool:
        return self.name.startswith("item.")

    @property
    def is_float(self) -> bool:
        """Whether its values are floats; those of other numbers are integers."""
        return self.name.startswith("numbers.")


def value_of(event: Event) -> int | None:
    """Return an event's value in millionths, None if unknown; that of an order without one is the sum over its items."""
    if event.value_micros is None and event.items and event.type in _ORDER_TYPES:
        return event.money_micros
    return event.value_micros


FIXED_ATTRIBUTES = {
    attribute.name: attribute
    for attribute in (
        Attribute(name="value", kind="number", source="value_of(event)", missing="None", scale=MICROS),
        Attribute(name="device", kind="device", source="event.device"),
        Attribute(name="country", kind="text", source="event.country"),
        Attribute(name="item.price", kind="number", source="item.price_micros", scale=MICROS),
        Attribute(name="item.quantity", kind="number", source="item.quantity", missing="never"),
        Attribute(name="item.category", kind="text", source="item.category"),
        Attribute(name="item.brand", kind="text", source="item.brand"),
        Attribute(name="item.item_id", kind="text", source="item.item_id", missing="never"),
    )
}
"""All attributes but the shop's own numbers and labels, by name."""


def attribute_named(name: str) -> Attribute | None:
    """Find an attribute by its name, such as ``item.price`` or ``numbers.margin``; None if there is none of that name."""
    owner, _, own = name.partition(".")
    if ATTRIBUTE_NAME.fullmatch(own):
        if owner == "numbers":
            return Attribute(name=name, kind="number", source=f"event.numbers.get({own!r})", missing="None")
        if owner == "labels":
            return Attribute(name=name, kind="text", source=f"event.labels.get({own!r})")
    return FIXED_ATTRIBUTES.get(name)
