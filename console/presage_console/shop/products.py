"""What the demo shop sells."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["CURRENCY", "TAG", "Category", "Product", "Shelf", "read_shelf"]

CURRENCY: Final = "EUR"
TAG: Final = "presage-demo-shop"
"""What all products of the shop are tagged with, so that a server with other items can be asked for these alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One product."""

    item_id: str
    name: str
    category: str
    """The id of its category."""
    brand: str
    tier: int
    """The quality of its brand: 0 value, 1 middle, 2 premium."""
    price: float
    """In euros."""
    about: str
    """One sentence."""
    look: str
    """Which drawing shows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """One kind of product."""

    category_id: str
    title: str
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All categories, and all products by their ids."""

    categories: Mapping[str, Category]
    products: Mapping[str, Product]

    def find(self, words: str) -> tuple[Product, ...]:
        """Return the products in whose name, brand, category or description all words occur; none for no words."""
        wanted = words.casefold().split()
        return tuple(
            product for product in self.products.values() if wanted and all(word in _text(product) for word in wanted)
        )


@cache
def read_shelf() -> Shelf:
    """Read the products that come with the shop."""
    read = tomllib.loads(files(__package__).joinpath("products.toml").read_text(encoding="utf-8"))
    tiers: dict[str, int] = read.pop("brands")
    categories = {
        category_id: Category(
            category_id=category_id,
            title=fields["title"],
            products=tuple(_products(category_id, fields["products"], tiers)),
        )
        for category_id, fields in read.items()
    }
    return Shelf(
        categories,
        {product.item_id: product for category in categories.values() for product in category.products},
    )


def _products(category_id: str, rows: Iterable[Mapping[str, str]], tiers: Mapping[str, int]) -> Iterable[Product]:
    for row in rows:
        yield Product(
            item_id=row["id"],
            name=row["name"],
            category=category_id,
            brand=row["brand"],
            tier=tiers[row["brand"]],
            price=float(row["price"]),
            about=row["about"],
            look=row["look"],
        )


def _text(product: Product) -> str:
    return f"{product.name} {product.brand} {product.category} {product.about}".casefold()
