"""What visitors do: events, their items and types, independent of any wire format."""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec

__all__ = [
    "ATTRIBUTE_NAME",
    "MAX_ATTRIBUTES",
    "MAX_LABEL_BYTES",
    "MAX_NUMBER",
    "MAX_POSITION",
    "MAX_PRICE",
    "MAX_RANK_ID_BYTES",
    "MAX_VALUE",
    "MICROS",
    "Device",
    "Event",
    "EventType",
    "Item",
    "Shown",
    "money_micros",
]

MICROS = 1_000_000
"""Microseconds in a second, and micro-units in a unit of money."""

MAX_PRICE = 1e9
"""The highest price of one unit that an event may have."""

MAX_VALUE = 1e12
"""The highest value that an event may have, given or summed over its items."""

MAX_POSITION = 10_000
"""The last place of a list that an item may have been shown at."""

MAX_RANK_ID_BYTES = 64
"""Bytes of UTF-8 in the id of a ranking."""

ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
"""The names that the shop's own numbers and labels may have."""

MAX_ATTRIBUTES = 16
"""Numbers that one event may have, and labels."""

MAX_LABEL_BYTES = 128
"""Bytes of UTF-8 in a label."""

MAX_NUMBER = 1e12
"""The largest number that an event may have, positive or negative."""


class EventType(IntEnum):
    """What a visitor did; numbers and names are those of ``presage.v1.EventType``."""

    UNSPECIFIED = 0
    PAGE_VIEW = 1
    VIEW_ITEM = 2
    VIEW_ITEM_LIST = 3
    SELECT_ITEM = 4
    SEARCH = 5
    ADD_TO_CART = 6
    REMOVE_FROM_CART = 7
    ADD_TO_WISHLIST = 8
    REMOVE_FROM_WISHLIST = 9
    VIEW_CART = 10
    BEGIN_CHECKOUT = 11
    ADD_PAYMENT_INFO = 12
    PURCHASE = 13
    REFUND = 14
    RATE_ITEM = 15
    GROUP_VIEW = 16
    GROUP_JOIN_START = 17
    GROUP_JOIN = 18
    GROUP_LEAVE = 19
    SIGN_UP = 20
    LOGIN = 21


class Device(IntEnum):
    """The kind of device; numbers and names are those of ``presage.v1.Device``."""

    UNSPECIFIED = 0
    DESKTOP = 1
    MOBILE = 2
    TABLET = 3
    OTHER = 4


class Shown(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a product came before the visitor's eyes: its place in a list, and the ranking that put it there."""

    position: int = 0
    """Its place in the list, from 1; 0 if unknown."""
    rank_id: str = ""
    """The id of the ranking's response; empty if no ranking was involved."""
    propensity: float = 0.0
    """The probability with which it was put there, 0 to 1; 0 if unknown."""


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One product in an event."""

    item_id: str
    """The shop's id of the product."""
    category: str = ""
    """The product's category; empty if unknown."""
    brand: str = ""
    """The product's brand; empty if unknown."""
    price_micros: int = 0
    """The price of one unit in millionths of the shop's currency; 0 if unknown or free."""
    quantity: int = 1
    """How many units, at least 1."""
    shown: Shown | None = None
    """How it was shown; None if nothing is known of that."""


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One thing that a visitor did. Its fields must have been checked: the fold does not."""

    event_id: str
    """Idempotency key: a visitor's recent events with the same id count once."""
    type: EventType
    user_id: str
    """The visitor: an account id or a visitor cookie."""
    event_time_unix_micros: int
    """When it happened, in microseconds since 1970-01-01 UTC."""
    session_id: str = ""
    """The caller's own session id; empty if the fold should derive sessions from times."""
    items: tuple[Item, ...] = ()
    """The products involved."""
    country: str = ""
    """ISO 3166-1 alpha-2 code in capitals; empty if unknown."""
    device: Device = Device.UNSPECIFIED
    order_id: str = ""
    """The shop's order id of a PURCHASE or REFUND: purchases with the same one are one order. Empty: an order of its own."""
    value_micros: int | None = None
    """The money of a PURCHASE or REFUND, the rating of a RATE_ITEM, in millionths; None if not given."""
    currency: str = ""
    """ISO 4217 code in capitals; empty if unknown; recorded, not converted."""
    server_clock_unix_micros: int = 0
    """The clock of the server that folded it, if the visitor's state was too far ahead of that clock to be trusted; 0 otherwise."""
    numbers: dict[str, float] = {}
    """The shop's own numbers by name, such as the margin; in the order of their names."""
    labels: dict[str, str] = {}
    """The shop's own words by name, such as the channel; in the order of their names."""

    @property
    def money_micros(self) -> int:
        """The event's value in millionths: ``value_micros``, or else the sum of price * quantity over the items."""
        if self.value_micros is not None:
            return self.value_micros
        return sum(item.price_micros * item.quantity for item in self.items)


def money_micros(amount: float) -> int:
    """Convert an amount of money to whole millionths, so that sums are exact in any order."""
    return round(amount * MICROS)
