"""Who visits the shop, and what they carry from one visit to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from random import Random
from typing import NamedTuple

from msgspec import structs

from presage_featurizer.events import Device, Item, money_micros
from presage_training.simulator.personas import PERSONAS, Persona
from presage_training.simulator.shop import CATEGORIES, Product
from presage_training.simulator.streams import random_stream

__all__ = ["CartLine", "Order", "Visitor", "create_visitor", "draw_visits"]

# The shop sells in euros.
_COUNTRIES = ("DE", "FR", "ES", "IT", "NL", "AT", "BE", "IE", "PT", "FI")
_COUNTRY_WEIGHTS = (30, 20, 12, 12, 8, 6, 5, 3, 2, 2)
_DEVICES = (Device.MOBILE, Device.DESKTOP, Device.TABLET, Device.OTHER)
_DEVICE_WEIGHTS = (55, 36, 8, 1)
_MAIN_DEVICE_SHARE = 0.85
_ACCOUNT_SHARE = 0.35
_DAYS_PER_MONTH = 30


class CartLine(NamedTuple):
    """One product in the cart."""

    product: Product
    """What."""
    quantity: int
    """How many units, at least 1."""

    @property
    def item(self) -> Item:
        """The line as events carry it."""
        item = self.product.item
        return item if self.quantity == 1 else structs.replace(item, quantity=self.quantity)

    @property
    def value_micros(self) -> int:
        """What the line costs."""
        return self.product.item.price_micros * self.quantity


class Order(NamedTuple):
    """What was bought at once."""

    order_id: str
    """The shop's order id."""
    lines: tuple[CartLine, ...]
    """What was bought."""
    placed_unix_micros: int
    """When."""


@dataclass(kw_only=True, slots=True)
class Visitor:
    """One person; what follows ``rng`` changes with every visit."""

    user_id: str
    """The visitor's id in all events."""
    persona: Persona
    """How this person shops."""
    country: str
    """ISO 3166-1 alpha-2 code."""
    main_device: Device
    """The device of most visits."""
    interests: tuple[str, ...]
    """The categories that this person looks at."""
    inclination: float
    """How much more than others of the persona this one buys, in log-odds."""
    budget_micros: int
    """What an order may cost."""
    rng: Random
    """Everything that this person decides."""
    has_account: bool
    """Whether this person can log in."""
    cart: dict[str, CartLine] = field(default_factory=dict)
    """What is in the cart, by product id; it stays from one visit to the next."""
    wish_list: list[Product] = field(default_factory=list)
    """What is on the wish list, oldest first."""
    viewed: list[Product] = field(default_factory=list)
    """What was looked at lately, oldest first."""
    groups: list[Product] = field(default_factory=list)
    """The products whose group purchase was joined, oldest first."""
    unrated: list[Product] = field(default_factory=list)
    """What was bought and not rated yet, oldest first."""
    orders: int = 0
    """How many orders so far."""
    sessions: int = 0
    """How many visits so far."""
    events: int = 0
    """How many events so far."""
    last_event_unix_micros: int = 0
    """When the last event happened; 0 before the first."""

    @property
    def cart_value_micros(self) -> int:
        """What the cart costs."""
        return sum(line.value_micros for line in self.cart.values())

    def pick_device(self) -> Device:
        """Draw the device of a visit."""
        if self.rng.random() < _MAIN_DEVICE_SHARE:
            return self.main_device
        return self.rng.choices(_DEVICES, _DEVICE_WEIGHTS)[0]


def create_visitor(*, seed: int, index: int, categories: Sequence[str] = tuple(CATEGORIES)) -> Visitor:
    """Create the visitor number ``index`` of a simulation, who looks at some of the categories, of which there are at least four.

    What the visitor is like depends on the arguments only.
    """
    rng = random_stream(seed, f"visitor/{index}")
    [persona] = rng.choices(PERSONAS, [persona.share for persona in PERSONAS])
    return Visitor(
        user_id=f"sim{seed}-{index:06d}",
        persona=persona,
        country=rng.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0],
        main_device=rng.choices(_DEVICES, _DEVICE_WEIGHTS)[0],
        interests=tuple(rng.sample(categories, rng.choice((2, 3, 4)))),
        inclination=rng.gauss(0.0, 0.8),
        budget_micros=money_micros(persona.budget * exp(rng.gauss(0.0, 0.4))),
        rng=rng,
        has_account=rng.random() < _ACCOUNT_SHARE,
    )


def draw_visits(visitor: Visitor, *, days: int) -> int:
    """Draw how often a visitor comes in some days: at least once, on average as often as the persona does."""
    mean = (visitor.persona.mean_visits_per_month - 1.0) * days / _DAYS_PER_MONTH
    visits = 1
    # Geometric: most come seldom, a few come often.
    while visitor.rng.random() < mean / (1.0 + mean):
        visits += 1
    return visits
