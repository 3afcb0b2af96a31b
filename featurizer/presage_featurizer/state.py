"""The state of one visitor: bounded in size, and the same whether it was built live or from a log.

The structs are mutable only so that ``fold`` can change a copy quickly; a state that ``fold`` returned never changes.
New fields are appended and have a default, so that states written by an older release can still be read.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

__all__ = [
    "ALL_PARTS",
    "MAX_CART_LINES",
    "MAX_CATEGORY_INTERESTS",
    "MAX_HISTORY_ITEMS",
    "MAX_MONEY_MICROS",
    "MAX_OPEN_SESSIONS",
    "MAX_ORDER_LINES",
    "MAX_QUANTITY",
    "MAX_RECENT_EVENTS",
    "MAX_RECENT_ORDERS",
    "MAX_SESSION_ITEMS",
    "MAX_VIEWED_PRODUCTS",
    "NAMED_SESSION_IDLE_MICROS",
    "SESSION_IDLE_MICROS",
    "CartLine",
    "CoreState",
    "Habits",
    "Interest",
    "ItemHistory",
    "Order",
    "Session",
    "Slots",
    "State",
    "StatePart",
    "TimedValue",
    "copy_state",
]

StatePart = Literal["habits", "items"]
"""A part of a state that not all uses need; decoding and folding the habits takes as long as all the rest."""

ALL_PARTS: frozenset[StatePart] = frozenset({"habits", "items"})

SESSION_IDLE_MICROS = 30 * 60 * 1_000_000
"""A session without a name ends when its last event is longer ago than this."""

NAMED_SESSION_IDLE_MICROS = 24 * 60 * 60 * 1_000_000
"""A session that the caller names can be continued for this long after its last event."""

MAX_OPEN_SESSIONS = 4
"""Sessions open at the same time; the least recently active one ends when another begins."""

MAX_RECENT_EVENTS = 128
"""Event ids kept, so that an event that is delivered again counts once."""

MAX_RECENT_ORDERS = 8
"""Orders whose further purchases and refunds are recognised by the order's id."""

MAX_ORDER_LINES = 32
"""Lines kept of the last of them."""

MAX_VIEWED_PRODUCTS = 256
"""Distinct products kept per session; further ones are not counted as distinct."""

MAX_CART_LINES = 100
"""Distinct products in a cart; further ones are dropped, and ``cart_saturated`` is set."""

MAX_CATEGORY_INTERESTS = 32
"""Categories whose interest is kept; the least recently changed one is dropped."""

MAX_HISTORY_ITEMS = 64
"""Items whose score, for ranking, is kept; the one with the lowest is dropped."""

MAX_SESSION_ITEMS = 20
"""The last items of a session, for ranking."""

MAX_QUANTITY = 1_000_000
"""Units of one product in a cart."""

MAX_MONEY_MICROS = 10**18
"""The limit of any sum of money kept here, positive or negative, in millionths; it fits in 64 bits."""


Amount: TypeAlias = Annotated[int, Meta(ge=-(2**62), le=2**62)]
"""A count, or money in millionths. Bytes with a larger one are no state: a sum of two fits in 64 bits, as they are stored."""

Count: TypeAlias = Annotated[int, Meta(ge=1, le=2**62)]
"""How often something happened that did."""

Real: TypeAlias = Annotated[float, Meta(ge=-1e30, le=1e30)]
"""A number that is finite, also as float32: bytes with another are no state."""

Moment: TypeAlias = Annotated[int, Meta(ge=-(2**55), le=2**55)]
"""Microseconds since 1970-01-01 UTC, in years that calendars have."""


_NOT_FINITE = 0x7F
"""The highest byte of a float64 that is so large, infinite, negative or none: no score is."""


class CartLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One product in the cart."""

    category: str
    brand: str
    price_micros: Amount
    quantity: Amount


class TimedValue(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a slot holds if it has a time."""

    value: Amount | Real | str
    unix_micros: Moment


Slots = dict[int, Amount | Real | bytes | TimedValue]
"""What aggregates keep, by the key of their definition; one that has not seen anything yet has no entry."""


class Session(msgspec.Struct, array_like=True, gc=False):
    """One open session; times are event times in microseconds since 1970-01-01 UTC, money is in millionths."""

    session_id: str
    """The caller's id; empty for a session that the fold derived."""
    start_unix_micros: Moment
    last_unix_micros: Moment
    event_count: Amount = 0
    page_views: Amount = 0
    product_views: Amount = 0
    add_to_carts: Amount = 0
    priced_views: Amount = 0
    """Product views that ``viewed_price_micros`` includes."""
    viewed_price_micros: Amount = 0
    """Sum of the known prices of the products viewed."""
    max_cart_value_micros: Amount = 0
    viewed_products: bytes = b""
    """Digests of the distinct products viewed, at most MAX_VIEWED_PRODUCTS."""
    events: dict[Amount, Count] = {}
    """Events by type number."""
    last_type: Amount = 0
    """The type number of the newest event."""
    last_gap_micros: Amount = 0
    """The time between the newest event and the one before; 0 for a single event."""
    longest_gap_micros: Amount = 0
    """The longest such time so far."""
    repeat_views: Amount = 0
    """Views of products that were already in ``viewed_products``."""
    slots: Slots = {}
    """What aggregates over the session keep."""
    items: bytes = b""
    """The last MAX_SESSION_ITEMS items of events that show interest, in order, repeats included; see ``item_history``."""


class Interest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A visitor's interest in one category."""

    score: Real
    """Sum of its events' weights, decayed up to ``last_unix_micros``."""
    last_unix_micros: Moment
    count: Count


class Habits(msgspec.Struct, array_like=True, gc=False):
    """A visitor's long-term behavior, excluding refunds."""

    events: dict[Amount, Count] = {}
    """Events by type number."""
    hours_of_week: dict[Amount, Count] = {}
    """Events by hour of the week in UTC, from 0 (Monday 00:00) to 167; those from April to October by that hour plus 168."""
    item_views: Amount = 0
    repeat_views: Amount = 0
    """Views of products that were already in ``viewed_products``."""
    priced_views: Amount = 0
    """Views that ``viewed_price_micros`` includes."""
    viewed_price_micros: Amount = 0
    viewed_products: bytes = b""
    """Digests of the distinct products viewed, at most MAX_VIEWED_PRODUCTS."""
    categories: dict[str, Interest] = {}
    """Interest in categories, at most MAX_CATEGORY_INTERESTS."""
    last_category: str = ""
    """The category of the product of the newest event that shows interest."""
    last_price_micros: Amount = 0
    """Its price; 0 if unknown."""


class Order(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One recent order that has an id."""

    order: bytes
    """Digest of the id."""
    money_micros: Amount
    """What it brought so far, refunds taken off, in millionths."""
    lines: bytes
    """Digests of its lines, at most MAX_ORDER_LINES; empty if they are not known, as of all but the last order."""


class ItemHistory(msgspec.Struct, array_like=True, gc=False):
    """The items that a visitor showed the most interest in, at most MAX_HISTORY_ITEMS: columns of numbers, little-endian."""

    digests: bytes = b""
    """Digests of their ids."""
    scores: bytes = b""
    """The upper halves of float64: the sum of their events' weights, each multiplied by its growth factor; see ``item_history``."""
    times: bytes = b""
    """Three bytes each: their last event's time in units of 256 seconds since 1970-01-01 UTC."""
    counts: bytes = b""
    """Two uint8: purchases and other events, at most 255 each."""

    def __post_init__(self) -> None:
        """Refuse bytes that are no columns of one length, or whose scores are none."""
        size = len(self.digests)
        if size % 8 or 2 * len(self.scores) != size or 8 * len(self.times) != 3 * size or 4 * len(self.counts) != size:
            raise ValueError("items: expected columns of 8, 4, 3 and 2 bytes for each item")
        if size and max(self.scores[3::4]) >= _NOT_FINITE:
            raise ValueError("items: expected scores that are positive and finite")


class CoreState(msgspec.Struct, array_like=True, gc=False):
    """One visitor without habits, which many feature sets do not need; it decodes in half of the time.

    Times are event times in microseconds since 1970-01-01 UTC (0: never), money is in millionths.
    """

    first_seen_unix_micros: Moment = 0
    last_seen_unix_micros: Moment = 0
    orders: Amount = 0
    spent_micros: Amount = 0
    """Money spent minus money refunded; negative if refunds exceed the recorded purchases."""
    first_order_unix_micros: Moment = 0
    last_order_unix_micros: Moment = 0
    closed_sessions: Amount = 0
    bounced_sessions: Amount = 0
    """Closed sessions with a single event."""
    device: Amount = 0
    """The last known device, as a number of ``Device``."""
    country: str = ""
    """The last known country; empty if unknown."""
    sessions: tuple[Session, ...] = ()
    """Open sessions, the last changed one at the end."""
    cart: dict[str, CartLine] = {}
    """By item id."""
    recent_events: bytes = b""
    """Digests of the last MAX_RECENT_EVENTS event ids."""
    cart_saturated: bool = False
    """Whether a product was ever dropped because the cart was full."""
    slots: Slots = {}
    """What aggregates over the visitor keep."""


class State(CoreState, array_like=True, gc=False):
    """The complete state of one visitor."""

    habits: Habits = msgspec.field(default_factory=Habits)
    recent_orders: tuple[Order, ...] = ()
    """At most MAX_RECENT_ORDERS, the last changed one at the end."""
    items: ItemHistory = msgspec.field(default_factory=ItemHistory)


def copy_state(state: State) -> State:
    """Copy whatever ``fold_into`` changes in place: sessions, habits and slots; carts and frozen structs are shared."""
    # msgspec's own, several times as fast as copy.copy; its type stubs lack it.
    copied: State = state.__copy__()  # type: ignore[attr-defined]
    copied.slots = state.slots.copy()
    copied.sessions = tuple([_copy_session(session) for session in state.sessions])
    habits: Habits = state.habits.__copy__()  # type: ignore[attr-defined]
    habits.events = habits.events.copy()
    habits.hours_of_week = habits.hours_of_week.copy()
    habits.categories = habits.categories.copy()
    copied.habits = habits
    copied.items = state.items.__copy__()  # type: ignore[attr-defined]
    return copied


def _copy_session(session: Session) -> Session:
    copied: Session = session.__copy__()  # type: ignore[attr-defined]
    copied.events = session.events.copy()
    copied.slots = session.slots.copy()
    return copied
