"""Events for tests: small builders, one fixed story, and hypothesis strategies for whole logs of a visitor.

Every log is of one visitor, with times after 1970 and values within the limits of ``presage/v1/event.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from presage_featurizer import MICROS, Device, Event, EventType, Item, State, fold, money_micros

START_UNIX_MICROS = 1_717_408_800 * MICROS
"""Monday 2024-06-03 10:00 UTC."""

MINUTE_MICROS = 60 * MICROS
DAY_MICROS = 24 * 60 * MINUTE_MICROS

MAX_PRICE_MICROS = 10**15
MAX_ITEM_QUANTITY = 1_000_000
MAX_EVENT_ITEMS = 2_000
MAX_VALUE_MICROS = 10**18


def at(minutes: float) -> int:
    """Turn minutes after START_UNIX_MICROS into a moment in microseconds since 1970-01-01 UTC."""
    return START_UNIX_MICROS + round(minutes * MINUTE_MICROS)


def item(item_id: str = "shoe", *, price: float = 0.0, quantity: int = 1, category: str = "", brand: str = "") -> Item:
    """Make an item, its price in units of the shop's currency."""
    return Item(item_id, category, brand, money_micros(price), quantity)


def event(
    event_type: EventType = EventType.PAGE_VIEW,
    minutes: float = 0.0,
    *items: Item,
    event_id: str = "",
    session_id: str = "",
    order_id: str = "",
    value: float | None = None,
    country: str = "",
    device: Device = Device.UNSPECIFIED,
    numbers: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Event:
    """Make an event so many minutes after START_UNIX_MICROS; without an id, it gets one made of type, time and session."""
    return Event(
        event_id=event_id or f"{event_type.name}-{minutes}-{session_id}-{order_id}".removesuffix("-"),
        type=event_type,
        user_id="visitor",
        event_time_unix_micros=at(minutes),
        session_id=session_id,
        items=items,
        country=country,
        device=device,
        order_id=order_id,
        value_micros=None if value is None else money_micros(value),
        numbers=dict(numbers or {}),
        labels=dict(labels or {}),
    )


def fold_all(events: Iterable[Event], state: State | None = None) -> State:
    """Fold at least one event, in the order given."""
    for each in events:
        state = fold(state, each)
    assert state is not None, "expected at least one event"
    return state


SHOE = item("shoe", price=80.0, category="shoes", brand="acme")
SOCK = item("sock", price=4.5, category="socks", brand="acme", quantity=3)

STORY = (
    event(EventType.PAGE_VIEW, 0, country="GB", device=Device.DESKTOP),
    event(EventType.VIEW_ITEM, 1, SHOE),
    event(EventType.VIEW_ITEM, 2, SOCK, SHOE),
    event(EventType.ADD_TO_CART, 3, SHOE, SOCK),
    event(EventType.PURCHASE, 9, SHOE, value=79.99),
    event(EventType.LOGIN, 50),
    event(EventType.PAGE_VIEW, 60, session_id="tab", country="DE", device=Device.MOBILE),
    event(EventType.REFUND, 90, value=10.0),
    event(EventType.ADD_TO_CART, 91, item("hat", price=20.0, category="hats"), session_id="tab"),
    event(EventType.SEARCH, 92),
    event(EventType.VIEW_ITEM, 80, SHOE, session_id="tab"),
)
"""One visitor who leaves no field of the state at its default but ``cart_saturated``; the last event is late."""

_EVENT_TYPES = (
    *(event_type for event_type in EventType if event_type),
    *(EventType.PAGE_VIEW, EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.REMOVE_FROM_CART, EventType.PURCHASE)
    * 4,
)
"""All types, those that change more than a count of events five times as often."""

_NUMBERS: tuple[dict[str, float], ...] = ({}, {}, {"margin": 4.5}, {"margin": -1e12, "rank": 0.1}, {"rank": 1e-300})

_LABELS: tuple[dict[str, str], ...] = ({}, {}, {"channel": "email"}, {"channel": "ads", "term": "böhm"}, {"term": ""})

SESSION_IDS = ("", "", "", "a", "b", "c", "d", "e")

_GAPS_MICROS = (
    0,
    0,
    1,
    7 * MICROS,
    4 * MINUTE_MICROS,
    29 * MINUTE_MICROS,
    30 * MINUTE_MICROS,
    30 * MINUTE_MICROS + 1,
    9 * 60 * MINUTE_MICROS,
    DAY_MICROS,
    DAY_MICROS + 1,
    95 * DAY_MICROS,
)
"""Gaps between events, with the limits of both kinds of session, and one microsecond more, among them."""

_PRODUCTS = tuple(
    Item(f"product-{number}", category, brand, price_micros, quantity)
    for number, (category, brand, price_micros, quantity) in enumerate(
        (
            ("shoes", "acme", 80 * MICROS, 1),
            ("shoes", "", 39_990_000, 2),
            ("hats", "other", 1, 1),
            ("", "acme", 0, 5),
            ("socks", "böhm", 4_500_000, 12),
        )
    )
)


def _small_items() -> st.SearchStrategy[tuple[Item, ...]]:
    return st.lists(st.sampled_from(_PRODUCTS), max_size=3).map(tuple)


def _huge_items() -> st.SearchStrategy[tuple[Item, ...]]:
    return st.builds(
        lambda first, count, price_micros, quantity: tuple(
            Item(f"product-{number}", f"category-{number}", "", price_micros, quantity)
            for number in range(first, first + count)
        ),
        first=st.integers(0, 200),
        count=st.integers(1, 150),
        price_micros=st.sampled_from((0, 1, 10 * MICROS, MAX_PRICE_MICROS)),
        quantity=st.sampled_from((1, 3, MAX_ITEM_QUANTITY)),
    )


@st.composite
def logs(draw: st.DrawFn, *, in_order: bool, huge: bool, order_ids: bool = False, max_events: int = 30) -> list[Event]:
    """Draw a visitor's log: duplicates, clock ties, named sessions (more than may be open at once) and unnamed ones.

    Args:
        draw: Hypothesis's.
        in_order: Whether event times never fall; otherwise some events are late, by seconds or by months.
        huge: Whether some events are as large as the contract allows, so that a few of them fill every cap.
        order_ids: Whether some events name one of two orders.
        max_events: The most events in a log; it has at least one.
    """
    gaps = st.sampled_from(_GAPS_MICROS)
    late = st.just(0) if in_order else st.one_of(st.just(0), gaps)
    items = st.one_of(_small_items(), _huge_items()) if huge else _small_items()
    values = st.sampled_from((None, None, 0, 12_340_000, *((MAX_VALUE_MICROS,) if huge else ())))
    now = START_UNIX_MICROS
    log = []
    for _ in range(draw(st.integers(1, max_events))):
        now += draw(gaps)
        log.append(
            Event(
                event_id=f"event-{draw(st.integers(0, 100))}",
                type=draw(st.sampled_from(_EVENT_TYPES)),
                user_id="visitor",
                event_time_unix_micros=now - draw(late),
                session_id=draw(st.sampled_from(SESSION_IDS)),
                items=draw(items),
                country=draw(st.sampled_from(("", "GB", "XX"))),
                device=draw(st.sampled_from(Device)),
                order_id=draw(st.sampled_from(("", "o-1", "o-2"))) if order_ids else "",
                value_micros=draw(values),
                numbers=draw(st.sampled_from(_NUMBERS)),
                labels=draw(st.sampled_from(_LABELS)),
            )
        )
    return log


def any_log(max_events: int = 20) -> st.SearchStrategy[list[Event]]:
    """Any log at all: with late events, and with huge ones."""
    return logs(in_order=False, huge=True, order_ids=True, max_events=max_events)
