"""What is measured with: visitors and events that are the same on every run.

A workload's name is permanent: one whose events change gets a new name, so that numbers of one name can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec

from presage_featurizer import MICROS, Device, Event, EventType, Item, State
from presage_featurizer.state import MAX_CART_LINES, MAX_OPEN_SESSIONS, MAX_RECENT_EVENTS, MAX_VIEWED_PRODUCTS
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate

__all__ = ["WORKLOADS", "Workload", "workload"]

WORKLOADS = ("median_v1", "heavy_v1")
"""A visitor with as large a state as half of the simulated visitors have; and one who fills everything that is kept."""

_START_UNIX_MICROS = 1_714_521_600 * MICROS  # Wednesday 2024-05-01 00:00 UTC
_MINUTE_MICROS = 60 * MICROS


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """A visitor, and what comes next."""

    name: str
    """One of WORKLOADS."""
    log: tuple[Event, ...]
    """What the visitor has done."""
    state: State
    """What is remembered of it."""
    event: Event
    """What the visitor does next: a product view within the current session."""

    @property
    def user_id(self) -> str:
        """The visitor's id."""
        return self.event.user_id

    @property
    def now_unix_micros(self) -> int:
        """The moment of the next event; the visitor is scored at it."""
        return self.event.event_time_unix_micros


@cache
def workload(name: str) -> Workload:
    """Make a workload by its name."""
    log = {"median_v1": _median, "heavy_v1": _heavy}[name]()
    replay = Replay()
    for event in log:
        state = replay.fold(event)
    last = log[-1]
    following = msgspec.structs.replace(
        last,
        event_id=f"{last.event_id}-next",
        type=EventType.VIEW_ITEM,
        event_time_unix_micros=last.event_time_unix_micros + _MINUTE_MICROS,
        items=(_item(1),),
    )
    return Workload(name=name, log=log, state=state, event=following)


def _median() -> tuple[Event, ...]:
    """Take the simulated visitor whose state was of the median size when this workload was made."""
    events = simulate(seed=1, visitors=1_000, start_unix_micros=_START_UNIX_MICROS, days=30)
    return tuple(
        msgspec.structs.replace(event, numbers={}, labels={})  # searches had none when this workload was made
        for event in events
        if event.user_id == "sim1-000057"
    )


def _heavy() -> tuple[Event, ...]:
    """Fill the cart, every open session's viewed products, and the list of recent events."""
    steps: list[tuple[EventType, str, tuple[Item, ...]]] = [
        (EventType.ADD_TO_CART, "", tuple(_item(number) for number in range(MAX_CART_LINES)))
    ]
    viewed = tuple(_item(number) for number in range(MAX_VIEWED_PRODUCTS))
    steps += [(EventType.VIEW_ITEM, f"tab-{number}", viewed) for number in range(MAX_OPEN_SESSIONS)]
    steps += [(EventType.PAGE_VIEW, f"tab-{number % MAX_OPEN_SESSIONS}", ()) for number in range(MAX_RECENT_EVENTS)]
    return tuple(
        Event(
            event_id=f"heavy-{place}",
            type=kind,
            user_id="heavy",
            event_time_unix_micros=_START_UNIX_MICROS + place * MICROS,
            session_id=session_id,
            items=items,
            country="GB",
            device=Device.MOBILE,
        )
        for place, (kind, session_id, items) in enumerate(steps)
    )


def _item(number: int) -> Item:
    return Item(f"product-{number}", f"category-{number % 12}", f"brand-{number % 20}", 19_990_000 + number)
