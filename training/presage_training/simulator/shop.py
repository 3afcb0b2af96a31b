"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log
from random import Random

from presage_featurizer.events import Item, money_micros
from presage_training.simulator.streams import random_stream

__all__ = ["BRANDS", "CATEGORIES", "Product", "Shop"]

CATEGORIES: dict[str, float] = {
    "audio": 60.0,
    "books": 14.0,
    "computers": 420.0,
    "garden": 35.0,
    "home_decor": 28.0,
    "kitchen": 45.0,
    "outdoor": 80.0,
    "pets": 18.0,
    "phones": 260.0,
    "shoes": 70.0,
    "toys": 22.0,
    "womens_fashion": 40.0,
}
"""The typical price in euros of each category."""

BRANDS = ("Alder", "Brio", "Corvo", "Dalia", "Elmo", "Fjord", "Gala", "Halden", "Isola", "Juno", "Kestrel", "Lumo")
_TIERS = 3
_TIER_MARKUP = 0.55  # of the logarithm of the price, for each tier
_PRICE_SPREAD = 0.30  # standard deviation of the logarithm of the price


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One product of the range."""

    item: Item
    """One unit of it, as events carry it."""
    tier: int
    """The quality of its brand: 0 value, 1 middle, 2 premium."""
    relative_price: float
    """Natural logarithm of its price over the category's typical price; below 0 is cheap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """The shop's range; it does not change while visitors shop."""

    products: dict[str, tuple[Product, ...]]
    """The products of each category."""
    by_id: dict[str, Product] = field(init=False, repr=False, compare=False)
    """Each product by its id."""

    def __post_init__(self) -> None:
        by_id = {product.item.item_id: product for products in self.products.values() for product in products}
        object.__setattr__(self, "by_id", by_id)

    @classmethod
    def create(cls, *, seed: int, products_per_category: int = 24) -> Shop:
        """Stock a shop; the same seed stocks the same shop.

        Raises:
            ValueError: if ``products_per_category`` is below 1.
        """
        if products_per_category < 1:
            raise ValueError(f"products_per_category must be at least 1, got {products_per_category}")
        rng = random_stream(seed, "shop")
        products = {
            category: tuple(
                _create_product(rng, f"{category}-{number:03d}", category=category, typical_price=typical_price)
                for number in range(products_per_category)
            )
            for category, typical_price in CATEGORIES.items()
        }
        return cls(products=products)


def _create_product(rng: Random, item_id: str, *, category: str, typical_price: float) -> Product:
    brand = rng.randrange(len(BRANDS))
    tier = brand % _TIERS
    price = typical_price * exp(rng.gauss((tier - 1) * _TIER_MARKUP, _PRICE_SPREAD))
    price = max(1.0, round(price)) - 0.01  # shops like 19.99
    item = Item(item_id=item_id, category=category, brand=BRANDS[brand], price_micros=money_micros(price))
    return Product(item=item, tier=tier, relative_price=log(price / typical_price))
