"""Purchases with one order id are one order, whether they are its lines or the same purchase sent twice."""

from __future__ import annotations

from presage_featurizer.digests import WIDTH, contains, digest
from presage_featurizer.events import Event, Item
from presage_featurizer.state import MAX_MONEY_MICROS, MAX_ORDER_LINES, MAX_RECENT_ORDERS, Order, State

__all__ = ["fold_purchase", "fold_refund"]

_LINES_BYTES = MAX_ORDER_LINES * WIDTH


def fold_purchase(state: State, event: Event) -> bool:
    """Count a purchase's order and money (changes the state in place).

    A purchase without an order id is an order of its own. Of further purchases with the id of a recent order, the lines (product,
    price and quantity) that the order does not have yet add their money. If it has all of them, or none is named, the same
    purchase was sent again, perhaps by the browser and by the payment provider: the larger sum counts. So it does where the
    order's lines are not known: it began without any, or another order came since. Of an order with more than MAX_ORDER_LINES
    lines, one that is known shows that it was sent again.

    Returns:
        Whether the order is new.
    """
    now, money = event.event_time_unix_micros, event.money_micros
    known = None
    if event.order_id:
        order_digest = digest(event.order_id)
        known = _take(state, order_digest)
        lines = b"" if known is None else known.lines
        unseen = []
        for item in event.items:
            line = _line_digest(item)
            if not contains(lines, line):
                unseen.append(item)
                if len(lines) < _LINES_BYTES:
                    lines += line
        before = 0 if known is None else known.money_micros
        if known is not None:
            is_full = len(lines) == _LINES_BYTES
            if not known.lines or not unseen or (is_full and len(unseen) < len(event.items)):
                money = max(0, money - before)
            elif len(unseen) < len(event.items):
                money = sum(item.price_micros * item.quantity for item in unseen)
        total = min(before + money, MAX_MONEY_MICROS)
        _put(state, Order(order_digest, total, lines))
    _add_money(state, money)
    if not state.first_order_unix_micros or now < state.first_order_unix_micros:
        state.first_order_unix_micros = now
    if known is None:
        state.orders += 1
        state.last_order_unix_micros = max(state.last_order_unix_micros, now)
    return known is None


def fold_refund(state: State, event: Event) -> None:
    """Take a refund off what was spent (changes the state in place); refunds of a recent order take no more than it brought."""
    money = event.money_micros
    if event.order_id:
        known = _take(state, digest(event.order_id))
        if known is not None:
            money = min(money, known.money_micros)
            _put(state, Order(known.order, known.money_micros - money, known.lines))
    _add_money(state, -money)


def _take(state: State, order_digest: bytes) -> Order | None:
    """Take a recent order out of the state."""
    for order in state.recent_orders:
        if order.order == order_digest:
            state.recent_orders = tuple([other for other in state.recent_orders if other is not order])
            return order
    return None


def _put(state: State, order: Order) -> None:
    """Put an order at the end; the lines of the one before are forgotten, since the lines of an order come one after the other."""
    orders = state.recent_orders
    if orders and orders[-1].lines:
        last = orders[-1]
        orders = (*orders[:-1], Order(last.order, last.money_micros, b""))
    state.recent_orders = (*orders, order)[-MAX_RECENT_ORDERS:]


def _line_digest(item: Item) -> bytes:
    return digest(f"{item.price_micros}:{item.quantity}:{item.item_id}")


def _add_money(state: State, money_micros: int) -> None:
    state.spent_micros = max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, state.spent_micros + money_micros))
