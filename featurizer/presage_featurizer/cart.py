"""The cart: lines by item id. Every function leaves its argument alone and answers with a new cart where something changes."""

from __future__ import annotations

from collections.abc import Iterable

from presage_featurizer.events import Item
from presage_featurizer.state import MAX_CART_LINES, MAX_QUANTITY, CartLine

__all__ = ["Cart", "add_items", "cart_value_micros", "remove_items"]

Cart = dict[str, CartLine]


def add_items(cart: Cart, items: Iterable[Item]) -> tuple[Cart, bool]:
    """Put items into the cart.

    A product that is there already gains units; its price, category and brand become the event's where the event knows them.

    Returns:
        The new cart, and whether a product was left out because the cart holds MAX_CART_LINES already.
    """
    cart = dict(cart)
    left_out = False
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
            left_out = True
    return cart, left_out


def remove_items(cart: Cart, items: Iterable[Item]) -> Cart:
    """Take items out of the cart; what is not there, or more units than there are, takes out what there is."""
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
