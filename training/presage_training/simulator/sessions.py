"""One visit to the shop, from the landing page to the order or, mostly, to nothing."""

from __future__ import annotations

from math import log

from presage_featurizer.events import MICROS, Device, Event, EventType
from presage_training.simulator.checkout import check_out
from presage_training.simulator.recorder import Recorder
from presage_training.simulator.rhythm import is_evening, is_payday
from presage_training.simulator.shop import Product, Shop
from presage_training.simulator.streams import logistic
from presage_training.simulator.trends import Trends
from presage_training.simulator.visitors import CartLine, Order, Visitor

__all__ = ["refund_visit", "shopping_visit"]

_VIEWED_MEMORY = 12
_PRODUCTS_ON_A_PAGE = 4


def shopping_visit(
    visitor: Visitor, *, shop: Shop, trends: Trends, start_unix_micros: int, session_ids: bool
) -> tuple[list[Event], list[Order]]:
    """Let a visitor shop; the visitor's cart, lists and counters change.

    Returns:
        The events of the visit, at least one, and the orders placed in it, mostly none; both in time order.
    """
    recorder = Recorder(visitor, start_unix_micros=start_unix_micros, session_ids=session_ids)
    visit = _ShoppingVisit(visitor, recorder, shop=shop, trends=trends)
    visit.run()
    return recorder.events, visit.orders


def refund_visit(visitor: Visitor, order: Order, *, start_unix_micros: int, session_ids: bool) -> list[Event]:
    """Let a visitor hand back an order, or one product of it; returns the events of the visit, in time order."""
    recorder = Recorder(visitor, start_unix_micros=start_unix_micros, session_ids=session_ids)
    recorder.emit(EventType.LOGIN if visitor.has_account else EventType.PAGE_VIEW)
    recorder.emit(EventType.PAGE_VIEW)
    lines = order.lines if visitor.rng.random() < 0.5 else (visitor.rng.choice(order.lines),)
    value_micros = sum(line.value_micros for line in lines)
    items = [line.item for line in lines]
    recorder.emit(EventType.REFUND, *items, order_id=order.order_id, value_micros=value_micros)
    return recorder.events


class _ShoppingVisit:
    """One visitor shopping once; every decision is a draw whose odds depend on the persona, the day and what happened before."""

    def __init__(self, visitor: Visitor, recorder: Recorder, *, shop: Shop, trends: Trends) -> None:
        self.orders: list[Order] = []
        self._visitor = visitor
        self._recorder = recorder
        self._emit = recorder.emit
        self._rng = visitor.rng
        self._shop = shop
        self._trends = trends
        self._category = self._rng.choice(visitor.interests)
        self._intent = self._draw_intent()
        self._left = False

    def _draw_intent(self) -> float:
        """Draw how much the visitor wants to buy today, in log-odds; what shows in the events is only a noisy trace of it."""
        visitor, now = self._visitor, self._recorder.now_unix_micros
        intent = visitor.persona.purchase_intent + visitor.inclination + self._rng.gauss(0.0, 1.4)
        if is_payday(now):
            intent += visitor.persona.payday_effect
        if is_evening(now):
            intent += 0.2
        if visitor.cart:
            intent += 0.5
        if visitor.orders:
            intent += 0.3
        if visitor.main_device is Device.DESKTOP:
            intent += 0.3
        return intent

    def _happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    def run(self) -> None:
        if self._happens(logistic(-0.6 - 0.6 * self._intent)):
            self._bounce()
            return
        self._arrive()
        stays = min(max(0.80 + 0.03 * self._intent, 0.60), 0.90)
        while True:
            self._browse()
            if self._visitor.cart and not self._left and self._wants_to_check_out():
                self._buy()
            if self._left or not self._happens(stays):
                return

    def _bounce(self) -> None:
        if self._happens(0.7):
            self._emit(EventType.PAGE_VIEW)
        else:
            self._emit(EventType.VIEW_ITEM, self._discover().item)

    def _arrive(self) -> None:
        visitor = self._visitor
        self._emit(EventType.PAGE_VIEW)
        if visitor.has_account and self._happens(0.3):
            self._emit(EventType.LOGIN)
            if visitor.unrated and self._happens(0.5):
                stars = self._rng.choices((1, 2, 3, 4, 5), (4, 5, 12, 34, 45))[0]
                self._emit(EventType.RATE_ITEM, visitor.unrated.pop().item, value_micros=stars * MICROS)
        if visitor.groups and self._happens(0.15):
            self._emit(EventType.GROUP_LEAVE, visitor.groups.pop().item)
        if visitor.wish_list and self._happens(0.08):
            self._emit(EventType.REMOVE_FROM_WISHLIST, visitor.wish_list.pop(0).item)
        if visitor.cart and self._happens(logistic(0.6 * self._intent)):
            self._emit(EventType.VIEW_CART)

    def _browse(self) -> None:
        """Find one product and look at it, or only leaf through the shop."""
        if self._happens(0.15):
            self._emit(EventType.PAGE_VIEW)
            return
        product = self._discover()
        way = self._rng.random()
        if way < 0.30:
            category = product.item.category
            hits = len(self._shop.products[category])
            self._emit(EventType.SEARCH, numbers={"hits": float(hits)}, labels={"term": category})
        elif way < 0.65:
            others = self._rng.sample(self._shop.products[self._category], _PRODUCTS_ON_A_PAGE - 1)
            page = [product, *(other for other in others if other is not product)]
            self._emit(EventType.VIEW_ITEM_LIST, *(shown.item for shown in page))
            if self._happens(0.5):
                self._emit(EventType.SELECT_ITEM, product.item)
        self._emit(EventType.VIEW_ITEM, product.item)
        self._consider(product)

    def _discover(self) -> Product:
        """Pick the next product: one seen or wished for before, one that is selling well, or the best of a few."""
        visitor, rng = self._visitor, self._rng
        if self._happens(0.2):
            self._category = rng.choice(visitor.interests)
        if self._happens(visitor.persona.trend_share) and (trending := self._trends.pick(rng, self._category)):
            return trending
        known = visitor.viewed + visitor.wish_list
        if known and self._happens(0.2):
            return rng.choice(known)
        return max((rng.choice(self._shop.products[self._category]) for _ in range(3)), key=self._appeal)

    def _appeal(self, product: Product) -> float:
        persona = self._visitor.persona
        return persona.quality_preference * (product.tier - 1) - persona.price_sensitivity * product.relative_price

    def _consider(self, product: Product) -> None:
        """Decide what to do with the product that is being looked at."""
        visitor = self._visitor
        if self._happens(visitor.persona.group_interest):
            self._look_at_group(product)
        seen_before = product in visitor.viewed
        if not seen_before:
            visitor.viewed = [*visitor.viewed[1 - _VIEWED_MEMORY :], product]
        wanted = 1.3 * self._intent + 0.8 * self._appeal(product) + 0.6 * seen_before
        if self._happens(logistic(wanted - 5.2)):
            self._add_to_cart(product)
        elif product not in visitor.wish_list and self._happens(logistic(0.5 * wanted - 3.4)):
            visitor.wish_list.append(product)
            self._emit(EventType.ADD_TO_WISHLIST, product.item)

    def _look_at_group(self, product: Product) -> None:
        self._emit(EventType.GROUP_VIEW, product.item)
        if product in self._visitor.groups or not self._happens(logistic(0.5 * self._intent - 0.7)):
            return
        self._emit(EventType.GROUP_JOIN_START, product.item)
        if self._happens(0.6):
            self._emit(EventType.GROUP_JOIN, product.item)
            self._visitor.groups.append(product)

    def _add_to_cart(self, product: Product) -> None:
        visitor = self._visitor
        line = CartLine(product, self._rng.choices((1, 2, 3), (86, 11, 3))[0])
        held = visitor.cart.get(product.item.item_id)
        visitor.cart[product.item.item_id] = line._replace(quantity=line.quantity + held.quantity) if held else line
        self._emit(EventType.ADD_TO_CART, line.item)
        if product in visitor.wish_list:
            visitor.wish_list.remove(product)
            self._emit(EventType.REMOVE_FROM_WISHLIST, product.item)
        if self._happens(0.4):
            self._emit(EventType.VIEW_CART)
        if self._happens(0.08):
            self._remove_from_cart()
        self._mind_the_budget()

    def _mind_the_budget(self) -> None:
        visitor = self._visitor
        while visitor.cart_value_micros > visitor.budget_micros and self._happens(visitor.persona.removal_rate):
            self._remove_from_cart()
        if visitor.cart_value_micros > visitor.budget_micros and self._happens(visitor.persona.abandonment_rate):
            self._left = True

    def _remove_from_cart(self) -> None:
        """Take out one line, or half of it."""
        cart = self._visitor.cart
        item_id, line = self._rng.choice(list(cart.items()))
        removed = line._replace(quantity=(line.quantity + 1) // 2)
        if removed.quantity == line.quantity:
            del cart[item_id]
        else:
            cart[item_id] = line._replace(quantity=line.quantity - removed.quantity)
        self._emit(EventType.REMOVE_FROM_CART, removed.item)

    def _wants_to_check_out(self) -> bool:
        overspending = max(0.0, log(self._visitor.cart_value_micros / self._visitor.budget_micros))
        return self._happens(logistic(2.0 * self._intent - 5.8 - 1.5 * overspending))

    def _buy(self) -> None:
        order = check_out(self._visitor, self._recorder, intent=self._intent)
        if order:
            self.orders.append(order)
        # Who has ordered mostly goes; who stopped half-way often does.
        self._left = self._happens(0.85 if order else 0.6)
