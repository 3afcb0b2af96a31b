"""A shop whose visitors see ranked lists, from the first visit to the last: for logs with impressions, and for regret."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from presage_featurizer.events import MICROS, Event
from presage_training.simulator.list_visits import Shopper, ShownList, visit_with_lists
from presage_training.simulator.lists import ListSource
from presage_training.simulator.recorder import SESSION_GAP_MICROS
from presage_training.simulator.rhythm import Rhythm
from presage_training.simulator.shop import Shop
from presage_training.simulator.tastes import create_taste
from presage_training.simulator.visitors import create_visitor, draw_visits

__all__ = ["ListSimulation", "simulate_lists"]


@dataclass(frozen=True, slots=True)
class ListSimulation:
    """What happened."""

    events: list[Event]
    """In the order of their time; those at the same moment in the order of their visitors' ids."""
    lists: list[ShownList]
    """The lists that visitors were shown, in the order of the visits."""


def simulate_lists(
    source: ListSource,
    *,
    shop: Shop,
    seed: int,
    visitors: int,
    start_unix_micros: int,
    days: int = 30,
    k: int = 10,
    session_ids: bool = True,
) -> ListSimulation:
    """Simulate what the visitors of a shop do with the lists of a source.

    Visits happen one after the other, in the order of their beginnings: where they overlap, the source sees all of the earlier one
    first.

    Args:
        source: Makes the lists; it gets each event as it happens.
        shop: What is sold.
        seed: The same seed, shop and lists give the same events. Visitors are those of ``simulate`` with this seed.
        visitors: How many people; each comes at least once.
        start_unix_micros: When the first day begins, in microseconds since 1970-01-01 UTC.
        days: For how many days visits begin.
        k: Places of a list.
        session_ids: Whether events carry a session id.

    Raises:
        ValueError: An argument is out of range, or the source makes an invalid list.
    """
    for name, value, least in (
        ("start_unix_micros", start_unix_micros, 1),
        ("visitors", visitors, 0),
        ("days", days, 1),
        ("k", k, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    rhythm = Rhythm(start_unix_micros=start_unix_micros, days=days)
    agenda: list[tuple[int, int]] = []
    shoppers: list[Shopper] = []
    for index in range(visitors):
        visitor = create_visitor(seed=seed, index=index)
        shoppers.append(Shopper(visitor, create_taste(visitor), set()))
        agenda += [(rhythm.any_moment(visitor.rng), index) for _ in range(draw_visits(visitor, days=days))]
    heapify(agenda)
    events: list[Event] = []
    lists: list[ShownList] = []
    while agenda:
        start, index = heappop(agenda)
        visitor = shoppers[index].visitor
        earliest = visitor.last_event_unix_micros + SESSION_GAP_MICROS + MICROS
        if start < earliest:
            heappush(agenda, (earliest + visitor.rng.randrange(SESSION_GAP_MICROS), index))
            continue
        happened, shown = visit_with_lists(
            shoppers[index], shop=shop, source=source, k=k, start_unix_micros=start, session_ids=session_ids
        )
        events += happened
        lists += shown
    return ListSimulation(sorted(events, key=lambda event: (event.event_time_unix_micros, event.user_id)), lists)
