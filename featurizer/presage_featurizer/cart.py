"""The cart: lines by item id. No function changes its arguments; each returns a new cart."""

from __future__ import annotations

from collections.abc import Iterable

from presage_featurizer.events import Item
from presage_featurizer.state import MAX_CART_LINES, MAX_QUANTITY, CartLine

__all__ = ["Cart", "add_items", "cart_value_micros", "remove_items"]

Cart = dict[str, CartLine]


def add_items(cart: Cart, items: Iterable[Item]) -> tuple[Cart, bool]:
    """Add items to a cart.

    A product that is already there gains units; its price, category and brand become the event's where the event has them.

    Returns:
        The new cart, and whether a product was dropped because the cart already holds MAX_CART_LINES.
    """
    cart = dict(cart)
    dropped = False
    for item in items:
        line = cart.get(item.item_id)
        if line is not None:
            cart[item.item_id] = CartLine(
                item.category or line.category,
                item.brand or line.brand,
                item.price_micros or line.price_micros,
                min(line.quantity + item.quantity, MAX_QUANTITY),
            )
        elif len(cart) < MAX_CART_LINES:
            cart[item.item_id] = CartLine(
                item.category, item.brand, item.price_micros, min(item.quantity, MAX_QUANTITY)
            )
        else:
            dropped = True
    return cart, dropped


def remove_items(cart: Cart, items: Iterable[Item]) -> Cart:
    """Remove items from a cart; items that are not in it are ignored, and at most the units that are in it are removed."""
    cart = dict(cart)
    for item in items:
        line = cart.get(item.item_id)
        if line is None:
            continue
        if line.quantity > item.quantity:
            cart[item.item_id] = CartLine(line.category, line.brand, line.price_micros, line.quantity - item.quantity)
        else:
            del cart[item.item_id]
    return cart


def cart_value_micros(cart: Cart) -> int:
    """Sum price * quantity over the cart, in millionths."""
    value = 0
    for line in cart.values():
        value += line.price_micros * line.quantity
    return value
