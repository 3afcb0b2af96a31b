"""One visit of somebody who is shown lists: look, pick or search, perhaps put into the cart and buy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from presage_featurizer.events import Event, EventType, Item, Shown
from presage_training.simulator.checkout import check_out
from presage_training.simulator.choices import choose, list_worth, regret_of
from presage_training.simulator.lists import ItemList, ListRequest, ListSource
from presage_training.simulator.recorder import Recorder
from presage_training.simulator.shop import Product, Shop
from presage_training.simulator.streams import logistic
from presage_training.simulator.tastes import Need, Taste
from presage_training.simulator.visitors import CartLine, Visitor

__all__ = ["Shopper", "ShownList", "visit_with_lists"]

_SEARCHED = 8  # products that a search shows
_STAYS = 0.75
_SEARCHES = 0.4  # where a list has nothing
_LIKED = 4.5  # the utility at which a product goes into the cart every other time


@dataclass(slots=True)
class Shopper:
    """A visitor with a taste."""

    visitor: Visitor
    taste: Taste
    bought: set[str]
    """The ids of the products that the visitor has bought."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownList:
    """One list that a visitor was shown, and how good it was; an empty one is worth nothing, and no impression."""

    user_id: str
    unix_micros: int
    rank_id: str
    worth: float
    """The utility that the visitor could expect of it, above that of no list."""
    regret: float
    """How much less that is than what the best list was worth."""
    chosen: int | None
    """The index of the product that the visitor picked; None for none."""


def visit_with_lists(
    shopper: Shopper, *, shop: Shop, source: ListSource, k: int, start_unix_micros: int, session_ids: bool
) -> tuple[list[Event], list[ShownList]]:
    """Let a visitor shop by the lists of a source; the visitor's cart and counters change.

    Returns:
        The events of the visit, at least one, and the lists shown.

    Raises:
        ValueError: A list is longer than there is room for, or has a product that the shop does not sell, or one twice.
    """
    visitor = shopper.visitor
    recorder = _TellingRecorder(visitor, start_unix_micros=start_unix_micros, session_ids=session_ids, tell=source.add)
    visit = _Visit(shopper, recorder, shop=shop, source=source, k=k)
    visit.run()
    return recorder.events, visit.lists


class _TellingRecorder(Recorder):
    """Tells of each event as it happens."""

    def __init__(self, visitor: Visitor, *, tell: Callable[[Event], None], **when: Any) -> None:
        super().__init__(visitor, **when)
        self._tell = tell

    def emit(self, event_type: EventType, *items: Item, **fields: Any) -> None:
        super().emit(event_type, *items, **fields)
        self._tell(self.events[-1])


class _Visit:
    def __init__(self, shopper: Shopper, recorder: Recorder, *, shop: Shop, source: ListSource, k: int) -> None:
        self.lists: list[ShownList] = []
        self._shopper = shopper
        self._visitor = shopper.visitor
        self._recorder = recorder
        self._emit = recorder.emit
        self._rng = shopper.visitor.rng
        self._shop = shop
        self._source = source
        self._k = k
        # The first interests come up more often.
        interests = shopper.visitor.interests
        [self._category] = self._rng.choices(interests, range(len(interests), 0, -1))
        self._page = ""

    def run(self) -> None:
        self._emit(EventType.PAGE_VIEW)
        while True:
            product = self._pick()
            if product is None and self._rng.random() < _SEARCHES:
                product = self._search()
            if product is not None:
                self._look_at(product)
                if self._visitor.cart and self._rng.random() < 0.25:
                    self._buy()
                    return
            if product is None or self._rng.random() > _STAYS:
                return

    def _pick(self) -> Product | None:
        """Show a list; returns what the visitor picks."""
        shown = self._source.rank(
            ListRequest(
                user_id=self._visitor.user_id,
                session_id=self._recorder.session_id,
                unix_micros=self._recorder.now_unix_micros,
                k=self._k,
                budget_micros=self._visitor.budget_micros,
                anchor_item_id=self._page,
            )
        )
        products = self._products(shown)
        items = [
            structs.replace(product.item, shown=Shown(place, shown.rank_id, listed.propensity))
            for place, (product, listed) in enumerate(zip(products, shown.items, strict=True), 1)
        ]
        if items:
            self._emit(EventType.VIEW_ITEM_LIST, *items)
        worths = self._utilities(self._shop.by_id.values())
        utilities = [worths[product.item.item_id] for product in products]
        chosen = choose(utilities, self._rng)
        self.lists.append(
            ShownList(
                user_id=self._visitor.user_id,
                unix_micros=self._recorder.now_unix_micros,
                rank_id=shown.rank_id,
                worth=list_worth(utilities),
                regret=regret_of(utilities, list(worths.values()), k=self._k),
                chosen=chosen,
            )
        )
        if chosen is None:
            return None
        self._emit(EventType.SELECT_ITEM, items[chosen])
        return products[chosen]

    def _products(self, shown: ItemList) -> list[Product]:
        item_ids = [listed.item_id for listed in shown.items]
        if len(item_ids) > self._k or len(set(item_ids)) < len(item_ids):
            raise ValueError(f"expected a list of at most {self._k} products, each once, got {item_ids}")
        if unknown := [item_id for item_id in item_ids if item_id not in self._shop.by_id]:
            raise ValueError(f"expected products of the shop, got {unknown[0]!r}")
        return [self._shop.by_id[item_id] for item_id in item_ids]

    def _search(self) -> Product:
        """Search the category that the visit is about, and pick one of a few."""
        products = self._shop.products[self._category]
        self._emit(EventType.SEARCH, numbers={"hits": float(len(products))}, labels={"term": self._category})
        found = self._rng.sample(products, min(_SEARCHED, len(products)))
        utilities = self._utilities(found)
        return max(found, key=lambda product: utilities[product.item.item_id])

    def _look_at(self, product: Product) -> None:
        self._emit(EventType.VIEW_ITEM, product.item)
        self._page = product.item.item_id
        cart = self._visitor.cart
        liked = self._utilities([product])[self._page]
        if self._page not in cart and self._rng.random() < logistic(1.5 * (liked - _LIKED)):
            cart[self._page] = CartLine(product, 1)
            self._emit(EventType.ADD_TO_CART, product.item)

    def _buy(self) -> None:
        bought = set(self._visitor.cart)
        if check_out(self._visitor, self._recorder, intent=1.0):
            self._shopper.bought |= bought

    def _utilities(self, products: Collection[Product]) -> dict[str, float]:
        """Return what products are worth at this moment, by their ids."""
        visitor = self._visitor
        owned = self._shopper.bought | visitor.cart.keys()
        return self._shopper.taste.utilities(products, Need(self._category, visitor.cart_value_micros, owned))
