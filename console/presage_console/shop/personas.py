"""Visitors who shop by a script: each does what its kind does, with products drawn by a seed from what the shop shows it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from presage_console.shop.products import Product, Shelf

__all__ = ["PERSONAS", "Persona", "Script", "Step"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a persona does next; as ``Click``, without an id."""

    action: str
    product: Product | None = None
    text: str = ""


Script = Generator[Step, Sequence[Product], None]
"""Yields steps, and is sent the products that the shop shows after each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """One kind of visitor."""

    name: str
    title: str
    about: str
    """One sentence: what to look for."""
    script: Callable[[Random, Shelf], Script]


def _bargain_hunter(random: Random, shelf: Shelf) -> Script:
    """Compare the cheapest of a category, and mostly buy the cheapest of those."""
    category = random.choice(list(shelf.categories))
    yield Step(action="open")
    shown = yield Step(action="category", text=category)
    cheap = sorted(_of(shown, category) or shelf.categories[category].products, key=lambda product: product.price)[:4]
    random.shuffle(cheap)
    for product in cheap:
        yield Step(action="look", product=product)
    best = min(cheap, key=lambda product: product.price)
    yield Step(action="look", product=best)
    yield Step(action="add", product=best)
    if random.random() < 0.7:
        yield Step(action="check-out")
        yield Step(action="pay")


def _quality_seeker(random: Random, shelf: Shelf) -> Script:
    """Look at the best brands of a category, wish for one, and buy it."""
    category = random.choice(list(shelf.categories))
    yield Step(action="open")
    yield Step(action="category", text=category)
    fine = sorted(shelf.categories[category].products, key=lambda product: (-product.tier, -product.price))[:3]
    for product in fine:
        yield Step(action="look", product=product)
    chosen = random.choice(fine)
    yield Step(action="wish", product=chosen)
    yield Step(action="look", product=chosen)
    yield Step(action="add", product=chosen)
    yield Step(action="check-out")
    if random.random() < 0.8:
        yield Step(action="pay")


def _gift_shopper(random: Random, shelf: Shelf) -> Script:
    """Fill the cart beyond a budget, take something out, and pay for what fits."""
    yield Step(action="open")
    shown = yield Step(action="budget", text="60")
    dear = [product for product in shelf.products.values() if 60 < product.price < 130]
    wanted = random.choice(dear)
    shown = yield Step(action="look", product=wanted)
    shown = yield Step(action="add", product=wanted)
    shown = yield Step(action="remove", product=wanted)
    affordable = [product for product in shown if product.price <= 60] or [shelf.products["kitchen-hill"]]
    for product in affordable[:2]:
        shown = yield Step(action="look", product=product)
    yield Step(action="add", product=affordable[0])
    yield Step(action="check-out")
    yield Step(action="pay")


def _window_shopper(random: Random, shelf: Shelf) -> Script:
    """Look at whatever is shown, and leave."""
    shown = yield Step(action="open")
    for _ in range(random.randint(5, 8)):
        product = random.choice(list(shown) or list(shelf.products.values()))
        shown = yield Step(action="look", product=product)
        if random.random() < 0.25:
            shown = yield Step(action="category", text=random.choice(list(shelf.categories)))


def _knows_what(random: Random, shelf: Shelf) -> Script:
    """Search for one thing, and buy it."""
    wanted = random.choice(list(shelf.products.values()))
    yield Step(action="open")
    yield Step(action="search", text=wanted.name)
    yield Step(action="look", product=wanted)
    yield Step(action="add", product=wanted)
    yield Step(action="check-out")
    yield Step(action="pay")


def _of(products: Sequence[Product], category: str) -> list[Product]:
    return [product for product in products if product.category == category]


_ALL: Final = (
    Persona(
        name="knows-what",
        title="Knows what they want",
        about="Searches for one thing, and buys it: the score climbs in five steps.",
        script=_knows_what,
    ),
    Persona(
        name="bargain-hunter",
        title="Bargain hunter",
        about="Compares the cheapest of a category, and buys one; mostly.",
        script=_bargain_hunter,
    ),
    Persona(
        name="quality-seeker",
        title="Quality seeker",
        about="Looks at the best brands, wishes for one, buys it.",
        script=_quality_seeker,
    ),
    Persona(
        name="gift-shopper",
        title="Has 60 euros",
        about="Wants something dearer, and takes what the budget allows.",
        script=_gift_shopper,
    ),
    Persona(
        name="window-shopper",
        title="Window shopper",
        about="Looks at whatever is shown, and leaves: the score stays low.",
        script=_window_shopper,
    ),
)
PERSONAS: Final[Mapping[str, Persona]] = MappingProxyType({persona.name: persona for persona in _ALL})
"""By name."""
