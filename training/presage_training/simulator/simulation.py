"""Runs all visits of all visitors in the order of time, so that visitors can follow one another."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count

from presage_featurizer.events import MICROS, Event
from presage_training.simulator.recorder import SESSION_GAP_MICROS
from presage_training.simulator.rhythm import DAY_MICROS, Rhythm
from presage_training.simulator.sessions import refund_visit, shopping_visit
from presage_training.simulator.shop import Shop
from presage_training.simulator.trends import Trends
from presage_training.simulator.visitors import Order, Visitor, create_visitor, draw_visits

__all__ = ["simulate"]

_REFUND_SHARE = 0.08
_COMEBACK_SHARE = 0.25  # of the visits that end with a filled cart


def simulate(
    *,
    seed: int,
    visitors: int,
    start_unix_micros: int,
    days: int = 30,
    session_ids: bool = True,
    shop: Shop | None = None,
) -> list[Event]:
    """Simulate what the visitors of a shop do.

    Args:
        seed: The same seed gives the same events, on every run and in every process.
        visitors: How many people; each comes at least once.
        start_unix_micros: When the first day begins, in microseconds since 1970-01-01 UTC.
        days: For how many days visits begin; the last ones may end a little later.
        session_ids: Whether events carry a session id. Without, ``session_id`` is empty and nothing else differs: the events of a
            visit are less than 30 minutes apart, and the visits of a person more.
        shop: What is sold, in four categories or more; None: ``Shop.create(seed=seed)``.

    Returns:
        The events in the order of their time; those at the same moment in the order of their visitors' ids.

    Raises:
        ValueError: naming the argument that is out of range.
    """
    if start_unix_micros < 1:
        raise ValueError(f"start_unix_micros must be at least 1, got {start_unix_micros}")
    if visitors < 0:
        raise ValueError(f"visitors must be at least 0, got {visitors}")
    if days < 1:
        raise ValueError(f"days must be at least 1, got {days}")
    rhythm = Rhythm(start_unix_micros=start_unix_micros, days=days)
    shop = shop or Shop.create(seed=seed)
    simulation = _Simulation(rhythm, shop=shop, session_ids=session_ids)
    for index in range(visitors):
        simulation.invite(create_visitor(seed=seed, index=index, categories=tuple(shop.products)), days=days)
    return sorted(simulation.run(), key=lambda event: (event.event_time_unix_micros, event.user_id))


class _Simulation:
    """The visits to come, soonest first."""

    def __init__(self, rhythm: Rhythm, *, shop: Shop, session_ids: bool) -> None:
        self._rhythm = rhythm
        self._shop = shop
        self._session_ids = session_ids
        self._trends = Trends()
        self._agenda: list[tuple[int, int, Visitor, Order | None]] = []
        self._tickets = count()  # break ties, in the order of planning

    def invite(self, visitor: Visitor, *, days: int) -> None:
        """Plan a visitor's visits: at least one, on average as many as the persona makes."""
        for _ in range(draw_visits(visitor, days=days)):
            self._plan(self._rhythm.any_moment(visitor.rng), visitor)

    def run(self) -> list[Event]:
        """Let all visits happen."""
        events: list[Event] = []
        while self._agenda:
            start, _, visitor, order = heappop(self._agenda)
            earliest = visitor.last_event_unix_micros + SESSION_GAP_MICROS + MICROS
            if start < earliest:
                self._plan(earliest + visitor.rng.randrange(SESSION_GAP_MICROS), visitor, order)
            elif order:
                events += refund_visit(visitor, order, start_unix_micros=start, session_ids=self._session_ids)
            else:
                events += self._shop_once(visitor, start)
        return events

    def _shop_once(self, visitor: Visitor, start: int) -> list[Event]:
        self._trends.advance(start)
        events, orders = shopping_visit(
            visitor, shop=self._shop, trends=self._trends, start_unix_micros=start, session_ids=self._session_ids
        )
        rng = visitor.rng
        for order in orders:
            for line in order.lines:
                self._trends.record(line.product, unix_micros=order.placed_unix_micros)
            if rng.random() < _REFUND_SHARE:
                self._plan(self._rhythm.moment_of_day(rng, start + rng.randint(3, 12) * DAY_MICROS), visitor, order)
        if visitor.cart and rng.random() < _COMEBACK_SHARE:
            self._plan(self._rhythm.moment_of_day(rng, start + rng.randint(1, 2) * DAY_MICROS), visitor)
        return events

    def _plan(self, start: int, visitor: Visitor, order_to_refund: Order | None = None) -> None:
        if not self._rhythm.is_over(start):
            heappush(self._agenda, (start, next(self._tickets), visitor, order_to_refund))
