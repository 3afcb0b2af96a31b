"""Features of the cart's current content, from whichever session."""

from __future__ import annotations

from presage_featurizer.catalogue import feature
from presage_featurizer.events import MICROS
from presage_featurizer.state import MAX_CART_LINES, MAX_QUANTITY
from presage_featurizer.view import View


@feature(unit="units", scope="cart", high=float(MAX_CART_LINES * MAX_QUANTITY))
def cart_items_count(view: View) -> float:
    """Units in the cart now."""
    return view.cart_units


@feature(unit="currency", scope="cart")
def avg_cart_item_price(view: View) -> float:
    """Average price of a unit in the cart now; 0 for an empty cart."""
    return view.cart_value_micros / MICROS / view.cart_units if view.cart_units else 0.0


@feature(unit="categories", scope="cart", high=MAX_CART_LINES)
def cart_categories_count(view: View) -> float:
    """Distinct known categories in the cart now."""
    cart = view.state.cart
    return len({line.category for line in cart.values() if line.category}) if cart else 0


@feature(unit="brands", scope="cart", high=MAX_CART_LINES)
def cart_brands_count(view: View) -> float:
    """Distinct known brands in the cart now."""
    cart = view.state.cart
    return len({line.brand for line in cart.values() if line.brand}) if cart else 0
