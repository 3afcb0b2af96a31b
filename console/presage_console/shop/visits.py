"""What the shop itself remembers of its visitors: carts, budgets, and what they were shown. Nothing of it is on a disk."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from presage_client import Ranking
from presage_console.shop.products import Product

__all__ = ["CartLine", "Visit", "Visits"]

_MOST_SCORES = 60
_MOST_CLICKS = 100


@dataclass(kw_only=True, slots=True)
class CartLine:
    """One product in a cart."""

    product: Product
    quantity: int = 1


@dataclass(kw_only=True, slots=True, eq=False)
class Visit:
    """One visitor of the shop."""

    visitor_id: str
    """The ``user_id`` of the visitor's events."""
    cart: dict[str, CartLine] = field(default_factory=dict)
    """By the product's id, in the order in which products were put in."""
    budget: float | None = None
    """What the visitor wants to spend at most, in euros."""
    category: str = ""
    """The category that is open; empty: all."""
    words: str = ""
    """What is searched for; empty: nothing."""
    looking_at: str = ""
    """The product whose page is open."""
    is_checking_out: bool = False
    orders: int = 0
    unseen: Ranking | None = None
    """The list that the page shows, until it is tracked as seen."""
    scores: list[float] = field(default_factory=list)
    """The score after each click, the newest last."""
    contributions: Mapping[str, float] = field(default_factory=dict)
    """What each feature added to the margin of the last answer, by name."""
    places: Mapping[str, int] = field(default_factory=dict)
    """The places, from 1, of the products of the last list."""
    of_list: tuple[str, str] = ("", "")
    """The category and the words that it was of."""
    did: str = ""
    """What the visitor did last, in words."""
    clicks: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_CLICKS))
    """The ids of the last clicks, so that none changes the cart twice."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held for a click: those of one visitor are handled one after another."""

    @property
    def cart_value(self) -> float:
        return sum(line.product.price * line.quantity for line in self.cart.values())

    @property
    def left_of_budget(self) -> float | None:
        """What is left to spend, at least 0; None without a budget."""
        return None if self.budget is None else max(0.0, self.budget - self.cart_value)

    def add_score(self, score: float) -> None:
        """Remember a score, and forget the oldest of many."""
        self.scores = [*self.scores[1 - _MOST_SCORES :], score]


class Visits:
    """The visitors of the shop; the one who has been away for longest is forgotten when there are too many.

    Args:
        most: How many are remembered.
        new_id: Returns an id that nobody has.
    """

    def __init__(self, most: int, new_id: Callable[[], str]) -> None:
        self._most, self._new_id = most, new_id
        self._by_id: OrderedDict[str, Visit] = OrderedDict()

    def begin(self) -> Visit:
        """Begin the visit of somebody new."""
        visit = Visit(visitor_id=self._new_id())
        self._by_id[visit.visitor_id] = visit
        while len(self._by_id) > self._most:
            self._by_id.popitem(last=False)
        return visit

    def find(self, visitor_id: str) -> Visit | None:
        """Return a visit that began here; None for ids from elsewhere, so that nobody can act as a visitor of another site."""
        visit = self._by_id.get(visitor_id)
        if visit is not None:
            self._by_id.move_to_end(visitor_id)
        return visit
