"""Ten things that go wrong, planted into a day of events or of served features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from benchmarks.proofs.drift.shop import DAY_MICROS, FEATURES
from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.events import Device

__all__ = ["SHIFTS", "Received", "Shift"]

Received = tuple[int, Event]
"""The time by the server's clock, and the event."""

_HOUR_MICROS = 3600 * MICROS
_Rows = NDArray[np.float32]


def _as_sent(day: Sequence[Event]) -> list[Received]:
    return [(event.event_time_unix_micros, event) for event in day]


def _as_computed(rows: _Rows) -> _Rows:
    return rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """One thing that goes wrong."""

    name: str
    columns: tuple[str, ...]
    """Any of these names it rightly."""
    events: Callable[[Sequence[Event]], list[Received]] = _as_sent
    """What becomes of a day's events."""
    rows: Callable[[_Rows], _Rows] = _as_computed
    """What becomes of the features that are served."""


def _each(change: Callable[[Event], Event]) -> Callable[[Sequence[Event]], list[Received]]:
    return lambda day: [(event.event_time_unix_micros, change(event)) for event in day]


def _dearer(event: Event) -> Event:
    items = tuple(structs.replace(item, price_micros=item.price_micros * 6 // 5) for item in event.items)
    value = (
        event.value_micros
        if event.type == EventType.RATE_ITEM or event.value_micros is None
        else event.value_micros * 6 // 5
    )
    return structs.replace(event, items=items, value_micros=value)


def _renamed(event: Event) -> Event:
    items = tuple(
        structs.replace(item, category="footwear") if item.category == "shoes" else item for item in event.items
    )
    return structs.replace(event, items=items)


def _of_some(share: float, change: Callable[[Event], Event]) -> Callable[[Event], Event]:
    """Change the events of some visitors."""

    def changed(event: Event) -> Event:
        chosen = Random(event.user_id).random() < share
        return change(event) if chosen else event

    return changed


def _two_hours_ahead(day: Sequence[Event]) -> list[Received]:
    late = 2 * _HOUR_MICROS
    return [
        (
            event.event_time_unix_micros,
            structs.replace(event, event_time_unix_micros=event.event_time_unix_micros + late),
        )
        for event in day
    ]


def _with_bot(day: Sequence[Event]) -> list[Received]:
    """Add one visitor who views a product every eight seconds."""
    views = [event for event in day if event.type == EventType.VIEW_ITEM]
    start = day[0].event_time_unix_micros
    bot = [
        structs.replace(
            views[number % len(views)],
            event_id=f"bot-{number}",
            user_id="bot",
            session_id="bot-1",
            event_time_unix_micros=start + number * 8 * MICROS,
        )
        for number in range(DAY_MICROS // (8 * MICROS))
    ]
    return _as_sent(_in_order([*day, *bot]))


def _half_of_carts(day: Sequence[Event]) -> list[Received]:
    rng = Random(0)
    return _as_sent([event for event in day if event.type != EventType.ADD_TO_CART or rng.random() < 0.5])


def _never_ending(day: Sequence[Event]) -> list[Received]:
    """Have one visitor in twelve leave a page open that reports a view every twenty minutes."""
    last = {event.user_id: event for event in day if Random(event.user_id).random() < 1 / 12}
    end = day[0].event_time_unix_micros + DAY_MICROS
    views = [
        structs.replace(
            event,
            type=EventType.PAGE_VIEW,
            event_id=f"{event.event_id}-open-{number}",
            event_time_unix_micros=moment,
            items=(),
            order_id="",
            value_micros=None,
            currency="",
        )
        for event in last.values()
        for number, moment in enumerate(range(event.event_time_unix_micros + 20 * 60 * MICROS, end, 20 * 60 * MICROS))
    ]
    return _as_sent(_in_order([*day, *views]))


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.event_time_unix_micros)


def _some_zeroed(rows: _Rows) -> _Rows:
    rows = rows.copy()
    rows[np.random.default_rng(int(rows.sum()) % 2**32).random(len(rows)) < 0.03] = 0.0
    return rows


def _frozen(rows: _Rows) -> _Rows:
    rows = rows.copy()
    rows[:, FEATURES.features.index("bounce_rate")] = 0.25
    return rows


SHIFTS = (
    Shift(name="price x 1.2", columns=("avg_product_price_viewed",), events=_each(_dearer)),
    Shift(
        name="3 % of rows zeroed", columns=("last_event_type", "device_encoded", "country_encoded"), rows=_some_zeroed
    ),
    Shift(
        name="a new device",
        columns=("device_encoded",),
        events=_each(_of_some(0.08, lambda event: structs.replace(event, device=Device.OTHER))),
    ),
    Shift(name="a clock off by two hours", columns=("hour_of_day",), events=_two_hours_ahead),
    Shift(name="a bot", columns=("product_views", "visitors"), events=_with_bot),
    Shift(name="a renamed category", columns=("shoe_views",), events=_each(_renamed)),
    Shift(
        name="a new country",
        columns=("country_encoded",),
        events=_each(_of_some(0.05, lambda event: structs.replace(event, country="PL"))),
    ),
    Shift(name="half of the add-to-carts lost", columns=("add_to_cart_events",), events=_half_of_carts),
    Shift(name="sessions that never end", columns=("session_duration_minutes",), events=_never_ending),
    Shift(name="a frozen feature", columns=("bounce_rate",), rows=_frozen),
)
"""All of them."""
