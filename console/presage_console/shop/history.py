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
"""The share of the visits without a purchase that are kept: so minutes have enough purchases to learn from."""
_REMEMBERED: Final = 0.5
"""The share of the looks, in visits without a purchase, that put the product into the cart to remember it. In the shop of the
shipped model a filled cart says more: this is what there is to learn here."""


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
        for event in _changed(events, Random(seed))  # noqa: S311 - a simulation
        if event.event_time_unix_micros < end
    ]


def _changed(events: Sequence[Event], random: Random) -> Iterable[Event]:
    """Leave out most visits without a purchase, and fill the carts of the others."""
    bought = {event.session_id for event in events if event.type == EventType.PURCHASE}
    kept = {
        session
        for session in dict.fromkeys(event.session_id for event in events)
        if session in bought or random.random() < _KEPT
    }
    for event in events:
        if event.session_id not in kept:
            continue
        is_look = event.type == EventType.VIEW_ITEM and event.session_id not in bought
        if is_look and random.random() < _REMEMBERED:
            yield msgspec.structs.replace(event, type=EventType.ADD_TO_CART)
        else:
            yield event


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
