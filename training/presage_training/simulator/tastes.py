"""What a visitor likes, in numbers: the truth that lists are measured against, which no ranker sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import exp, log

from presage_training.simulator.shop import BRANDS, CATEGORIES, Product
from presage_training.simulator.streams import random_stream
from presage_training.simulator.visitors import Visitor

__all__ = ["Need", "Taste", "create_taste"]

_FIRST_INTEREST, _INTEREST_STEP, _NO_INTEREST = 1.5, 0.5, -1.5
_BRAND_SPREAD = 0.7
_SENSITIVITY_SPREAD = 0.2  # of the logarithm
_NEEDED = 1.5
_OVER_BUDGET = 2.0  # for each factor e
_OWNED = -3.0


@dataclass(frozen=True, slots=True)
class Need:
    """What a visitor came for, and what they have by now."""

    category: str
    """The category that the visit is about."""
    cart_value_micros: int
    """What the cart costs."""
    owned: Collection[str]
    """The ids of the products in the cart and of those bought."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taste:
    """What one visitor likes; a utility of 1 more makes a product e times as likely to be chosen."""

    categories: Mapping[str, float]
    """The utility of each category."""
    brands: Mapping[str, float]
    """The utility of each brand."""
    quality: float
    """The utility of a better tier."""
    price_sensitivity: float
    """The utility that a price loses when it is e times as high as its category's."""
    budget_micros: int
    """What an order may cost; more than that loses utility."""
    _likings: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def utilities(self, products: Collection[Product], need: Need) -> dict[str, float]:
        """Return what products are worth to the visitor at this moment, by their ids."""
        room_micros = self.budget_micros - need.cart_value_micros
        utilities = {product.item.item_id: self.liking(product) for product in products}
        for product in products:
            item = product.item
            if item.category == need.category:
                utilities[item.item_id] += _NEEDED
            if item.price_micros > room_micros:
                over_budget = (need.cart_value_micros + item.price_micros) / self.budget_micros
                utilities[item.item_id] -= _OVER_BUDGET * log(over_budget)
        for item_id in need.owned:
            if item_id in utilities:
                utilities[item_id] += _OWNED
        return utilities

    def liking(self, product: Product) -> float:
        """Return what a product is worth to the visitor at any time."""
        if (known := self._likings.get(product.item.item_id)) is None:
            item = product.item
            known = self.categories[item.category] + self.brands[item.brand] + self.quality * (product.tier - 1)
            known -= self.price_sensitivity * product.relative_price
            self._likings[item.item_id] = known
        return known


def create_taste(visitor: Visitor) -> Taste:
    """Create the taste of a visitor; it depends on who the visitor is only."""
    rng = random_stream(0, f"taste/{visitor.user_id}")
    interests = {category: _FIRST_INTEREST - _INTEREST_STEP * place for place, category in enumerate(visitor.interests)}
    return Taste(
        categories={category: interests.get(category, _NO_INTEREST) for category in CATEGORIES},
        brands={brand: rng.gauss(0.0, _BRAND_SPREAD) for brand in BRANDS},
        quality=visitor.persona.quality_preference,
        price_sensitivity=visitor.persona.price_sensitivity * exp(rng.gauss(0.0, _SENSITIVITY_SPREAD)),
        budget_micros=visitor.budget_micros,
    )
