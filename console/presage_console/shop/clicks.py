"""Clicks: read from the forms that browsers send, and what they change in the shop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from presage_console.errors import RequestError
from presage_console.shop.backend import Click
from presage_console.shop.products import Shelf
from presage_console.shop.visits import CartLine, Visit

__all__ = ["MOST_BUDGET", "apply", "describe", "is_possible", "parse_click"]

MOST_BUDGET: Final = 100_000.0
_MOST_ID: Final = 120
_MOST_WORDS: Final = 60
_MOST_UNITS: Final = 9
_REQUEST_ID: Final = re.compile(r"[0-9a-f]{16,64}")
_OF_PRODUCTS: Final = frozenset({"look", "wish", "add", "remove"})
_WITH_TEXT: Final = frozenset({"category", "search", "budget"})
_OTHERS: Final = frozenset({"open", "check-out", "pay"})


def parse_click(form: Mapping[str, str], shelf: Shelf) -> Click:
    """Read a click: ``request``, the page's id of it, ``do``, such as ``look:lamp-dune`` or ``pay``, and for some ``text``.

    Raises:
        RequestError: It is not one that a page of the shop sends.
    """
    page = form.get("request", "")
    if not _REQUEST_ID.fullmatch(page):
        raise RequestError("request: expected the id that the page has; open the shop again")
    action, _, about = form.get("do", "").partition(":")
    # Two buttons of one page are two clicks, and one button that is clicked twice in a hurry is one.
    request_id = "-".join(part for part in (page, action, about) if part)[:_MOST_ID]
    if action in _OF_PRODUCTS:
        product = shelf.products.get(about)
        if product is None:
            raise RequestError("do: expected a product of the shop; open the shop again")
        return Click(request_id=request_id, action=action, product=product)
    if action in _WITH_TEXT:
        return Click(request_id=request_id, action=action, text=_text(action, about or form.get("text", ""), shelf))
    if action in _OTHERS:
        return Click(request_id=request_id, action=action)
    raise RequestError("do: expected something that can be done in the shop; open the shop again")


def _text(action: str, text: str, shelf: Shelf) -> str:
    text = " ".join(text.split())[:_MOST_WORDS]
    if action == "category" and text not in {"", *shelf.categories}:
        raise RequestError("category: expected one of the shop; open the shop again")
    if action == "budget" and text:
        try:
            budget = float(text.replace(",", "."))
        except ValueError as error:
            raise RequestError("budget: expected a number of euros, such as 50") from error
        if not 0.0 <= budget <= MOST_BUDGET:
            raise RequestError(f"budget: expected 0 to {MOST_BUDGET:,.0f} euros")
    return text


def is_possible(visit: Visit, click: Click) -> bool:
    """Return whether a visitor can do something now: an old page may have a button for what is no longer there."""
    line = visit.cart.get(click.product.item_id) if click.product is not None else None
    match click.action:
        case "check-out" | "pay":
            return bool(visit.cart)
        case "remove":
            return line is not None
        case "add":
            return line is None or line.quantity < _MOST_UNITS
    return True


def apply(visit: Visit, click: Click) -> None:
    """Change what the shop itself knows of a visitor, by a click that is possible."""
    product = click.product
    visit.did = describe(click)
    if click.action not in {"check-out", "budget"}:
        visit.is_checking_out = False
    match click.action:
        case "look" if product is not None:
            visit.looking_at = product.item_id
        case "add" if product is not None:
            line = visit.cart.setdefault(product.item_id, CartLine(product=product, quantity=0))
            line.quantity += 1
        case "remove" if product is not None:
            visit.cart[product.item_id].quantity -= 1
            if not visit.cart[product.item_id].quantity:
                del visit.cart[product.item_id]
        case "check-out":
            visit.is_checking_out = True
        case "pay":
            visit.orders += 1
            visit.cart.clear()
        case "category":
            visit.category, visit.words, visit.looking_at = click.text, "", ""
        case "search":
            visit.words, visit.category, visit.looking_at = click.text, "", ""
        case "budget":
            visit.budget = float(click.text.replace(",", ".")) if click.text else None
        case _:
            pass


def describe(click: Click) -> str:
    """Say what a visitor did."""
    name = click.product.name if click.product is not None else ""
    return {
        "open": "came into the shop",
        "look": f"looked at the {name}",
        "wish": f"put the {name} on the wish list",
        "add": f"put the {name} into the cart",
        "remove": f"took the {name} out of the cart",
        "check-out": "went to the checkout",
        "pay": "paid",
        "category": f"went to {click.text}" if click.text else "went back to all products",
        "search": f"searched for “{click.text}”",
        "budget": f"set a budget of {click.text} €" if click.text else "took the budget away",
    }[click.action]
