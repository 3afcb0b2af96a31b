"""The visits of others to the demo shop, simulated: those of the last weeks, and those while somebody plays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import exp, fsum, log
from random import Random
from typing import Final

import msgspec

from presage_console.shop.products import Category, Shelf
from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.events import Item, money_micros
from presage_training import simulator

__all__ = ["simulate_visits"]

_DAYS: Final = 21
_START: Final = datetime(2026, 3, 4, tzinfo=UTC)
"""Between two paydays: the first visits are as the last ones, whenever the demo runs."""
_DAY_MICROS: Final = 86_400 * MICROS
_KEPT: Final = 0.1
"""The share of the visits without a purchase that are kept: in this shop more visits end in one than in that of the shipped model,
which so has something to learn here, and minutes have enough purchases to learn from."""


def simulate_visits(shelf: Shelf, *, until_unix_micros: int, visitors: int, seed: int) -> Sequence[Event]:
    """Simulate three weeks of visits, whose last day ends at most a day before a moment.

    Args:
        shelf: What is sold.
        until_unix_micros: That moment.
        visitors: How many people come, each at least once; fewer of them buy nothing than in a real shop.
        seed: The same seed gives the same visits.

    Returns:
        Events in the order of their time.
    """
    start = int(_START.timestamp()) * MICROS
    end = start + _DAYS * _DAY_MICROS
    # By whole days: hours stay what they are.
    later = (until_unix_micros - end) // _DAY_MICROS * _DAY_MICROS
    events = simulator.simulate(
        seed=seed, visitors=visitors, start_unix_micros=start, days=_DAYS, shop=_simulated(shelf)
    )
    return [
        msgspec.structs.replace(event, event_time_unix_micros=event.event_time_unix_micros + later)
        for event in _with_more_buyers(events, Random(seed))
        if event.event_time_unix_micros < end
    ]


def _with_more_buyers(events: list[Event], random: Random) -> Iterable[Event]:
    """Leave out most visits without a purchase."""
    bought = {event.session_id for event in events if event.type == EventType.PURCHASE}
    kept = {
        session
        for session in dict.fromkeys(event.session_id for event in events)
        if session in bought or random.random() < _KEPT
    }
    return (event for event in events if event.session_id in kept)


def _simulated(shelf: Shelf) -> simulator.Shop:
    return simulator.Shop(products={name: tuple(_products(category)) for name, category in shelf.categories.items()})


def _products(category: Category) -> Iterable[simulator.Product]:
    typical = exp(fsum(log(product.price) for product in category.products) / len(category.products))
    for product in category.products:
        yield simulator.Product(
            item=Item(
                item_id=product.item_id,
                category=product.category,
                brand=product.brand,
                price_micros=money_micros(product.price),
            ),
            tier=product.tier,
            relative_price=log(product.price / typical),
        )
