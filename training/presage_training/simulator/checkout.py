"""From the cart to the order."""

from __future__ import annotations

from presage_featurizer.events import EventType
from presage_training.simulator.recorder import Recorder
from presage_training.simulator.streams import logistic
from presage_training.simulator.visitors import Order, Visitor

__all__ = ["check_out"]


def check_out(visitor: Visitor, recorder: Recorder, *, intent: float) -> Order | None:
    """Let a visitor try to buy the whole cart, which must not be empty; on success the cart is empty afterwards.

    Args:
        visitor: Who buys.
        recorder: Where the events go.
        intent: How much the visitor wants to buy, in log-odds.

    Returns:
        The order, or None if the visitor gave up on the way.
    """
    rng, lines = visitor.rng, tuple(visitor.cart.values())
    items = [line.item for line in lines]
    if rng.random() < 0.5:
        recorder.emit(EventType.VIEW_CART)
    recorder.emit(EventType.BEGIN_CHECKOUT, *items)
    _identify(visitor, recorder)
    # Shipping costs come as a surprise, and the dearer the shop seems to somebody, the more so.
    if rng.random() > logistic(1.0 + 0.5 * intent - 0.5 * visitor.persona.price_sensitivity):
        return None
    recorder.emit(EventType.ADD_PAYMENT_INFO, *items)
    if rng.random() > logistic(1.6 + 0.4 * intent):
        return None
    visitor.orders += 1
    order_id = f"{visitor.user_id}-o{visitor.orders:03d}"
    recorder.emit(EventType.PURCHASE, *items, order_id=order_id, value_micros=visitor.cart_value_micros)
    order = Order(order_id, lines, recorder.now_unix_micros)
    visitor.cart.clear()
    visitor.unrated.extend(line.product for line in lines)
    if rng.random() < 0.6:
        recorder.emit(EventType.PAGE_VIEW)
    return order


def _identify(visitor: Visitor, recorder: Recorder) -> None:
    """Sign in, open an account, or go on as a guest."""
    if visitor.rng.random() > 0.6:
        return
    recorder.emit(EventType.LOGIN if visitor.has_account else EventType.SIGN_UP)
    visitor.has_account = True
