"""What is remembered of one visitor: bounded, and the same whether built live or from a log.

The structs are mutable only so that ``fold`` can fill a copy quickly; a state that left ``fold`` never changes.
New fields go at the end and have a default: then a state that an older release wrote is still read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "ALL_PARTS",
    "MAX_CART_LINES",
    "MAX_CATEGORY_INTERESTS",
    "MAX_ITEM_INTERESTS",
    "MAX_MONEY_MICROS",
    "MAX_OPEN_SESSIONS",
    "MAX_QUANTITY",
    "MAX_RECENT_EVENTS",
    "MAX_VIEWED_PRODUCTS",
    "NAMED_SESSION_IDLE_MICROS",
    "SESSION_IDLE_MICROS",
    "CartLine",
    "CoreState",
    "Habits",
    "Interest",
    "Session",
    "State",
    "StatePart",
    "copy_state",
]

StatePart = Literal["habits"]
"""A part of a state that many feature sets do without: reading and folding it takes as long as all the rest."""

ALL_PARTS: frozenset[StatePart] = frozenset({"habits"})

SESSION_IDLE_MICROS = 30 * 60 * 1_000_000
"""A session is idle when its last event is longer ago than this; one that the server keeps then ends."""

NAMED_SESSION_IDLE_MICROS = 24 * 60 * 60 * 1_000_000
"""A session that the caller names may be taken up again for this long."""

MAX_OPEN_SESSIONS = 4
"""Sessions open at once; the one silent for longest ends when another begins."""

MAX_RECENT_EVENTS = 128
"""Event ids remembered, so that an event delivered again counts once."""

MAX_VIEWED_PRODUCTS = 256
"""Distinct products remembered of a session; further ones are no longer told apart."""

MAX_CART_LINES = 100
"""Distinct products in a cart; further ones are left out, and ``cart_saturated`` is set."""

MAX_CATEGORY_INTERESTS = 32
"""Categories whose interest is remembered; the one that nothing has happened to for longest is forgotten."""

MAX_ITEM_INTERESTS = 12
"""The same for products: 29 bytes each, of a kilobyte for all of a visitor."""

MAX_QUANTITY = 1_000_000
"""Units in one line of a cart."""

MAX_MONEY_MICROS = 10**18
"""Money that any sum kept here can reach either way, in millionths: it stays within 64 bits."""


class CartLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One product in the cart."""

    category: str
    brand: str
    price_micros: int
    quantity: int


class Session(msgspec.Struct, array_like=True, gc=False):
    """One open session; times are event times in microseconds since 1970-01-01 UTC, money is in millionths."""

    session_id: str
    """The caller's id; empty for the session that the fold keeps itself."""
    start_unix_micros: int
    last_unix_micros: int
    event_count: int = 0
    page_views: int = 0
    product_views: int = 0
    add_to_carts: int = 0
    priced_views: int = 0
    """Product views whose price is in ``viewed_price_micros``."""
    viewed_price_micros: int = 0
    """Sum of the prices of the products viewed, where they are known."""
    max_cart_value_micros: int = 0
    viewed_products: bytes = b""
    """Digests of the distinct products viewed, at most MAX_VIEWED_PRODUCTS."""


class Interest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How much a visitor has had to do with one product or category."""

    score: float
    """Sum of the weights of its events, each halved with time, as of ``last_unix_micros``."""
    last_unix_micros: int
    count: int


class Habits(msgspec.Struct, array_like=True, gc=False):
    """What a visitor tends to do; refunds left aside."""

    events: dict[int, int] = {}
    """Events by the number of their type."""
    hours_of_week: dict[int, int] = {}
    """Events by the hour of the week in UTC, 0 to 167 from Monday on."""
    item_views: int = 0
    repeat_views: int = 0
    """Views of products that were among ``viewed_products``."""
    priced_views: int = 0
    """Views whose price is in ``viewed_price_micros``."""
    viewed_price_micros: int = 0
    viewed_products: bytes = b""
    """Digests of the distinct products viewed, at most MAX_VIEWED_PRODUCTS."""
    items: dict[bytes, Interest] = {}
    """Interest in products, by the digest of their ids, at most MAX_ITEM_INTERESTS."""
    categories: dict[str, Interest] = {}
    """Interest in categories, at most MAX_CATEGORY_INTERESTS."""
    last_item: bytes = b""
    """Digest of the product last dealt with."""
    last_category: str = ""
    """Its category."""
    last_price_micros: int = 0
    """Its price; 0 if unknown."""


class CoreState(msgspec.Struct, array_like=True, gc=False):
    """One visitor without habits, which many feature sets do without; read on its own, it is there in half of the time.

    Times are event times in microseconds since 1970-01-01 UTC (0: never), money is in millionths.
    """

    first_seen_unix_micros: int = 0
    last_seen_unix_micros: int = 0
    orders: int = 0
    spent_micros: int = 0
    """Money spent less money refunded; below 0 when refunds exceed the purchases on record."""
    first_order_unix_micros: int = 0
    last_order_unix_micros: int = 0
    closed_sessions: int = 0
    bounced_sessions: int = 0
    """Closed sessions with a single event."""
    device: int = 0
    """The last device seen, as a number of ``Device``."""
    country: str = ""
    """The last country seen; empty if none was."""
    sessions: tuple[Session, ...] = ()
    """Open sessions, the one that changed last at the end."""
    cart: dict[str, CartLine] = {}
    """What is in the cart, by item id."""
    recent_events: bytes = b""
    """Digests of the last MAX_RECENT_EVENTS event ids."""
    cart_saturated: bool = False
    """Whether the cart ever held more products than are kept."""


class State(CoreState, array_like=True, gc=False):
    """One visitor: all that is remembered."""

    habits: Habits = msgspec.field(default_factory=Habits)
    """What the visitor tends to do."""


def copy_state(state: State) -> State:
    """Copy a state as deep as ``fold_into`` changes one: sessions and habits are copied, carts and what is frozen are shared."""
    # Several times as fast as copy.copy, and msgspec's own; its type stubs do not have it.
    copied: State = state.__copy__()  # type: ignore[attr-defined]
    copied.sessions = tuple([session.__copy__() for session in state.sessions])  # type: ignore[attr-defined]
    habits: Habits = state.habits.__copy__()  # type: ignore[attr-defined]
    habits.events = habits.events.copy()
    habits.hours_of_week = habits.hours_of_week.copy()
    habits.items = habits.items.copy()
    habits.categories = habits.categories.copy()
    copied.habits = habits
    return copied
