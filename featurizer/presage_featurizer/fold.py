"""``state' = fold(state, event)``: how an event changes what is remembered of a visitor."""

from __future__ import annotations

from presage_featurizer.cart import add_items, cart_value_micros, remove_items
from presage_featurizer.digests import WIDTH, contains, digest, product_digest
from presage_featurizer.events import Event, EventType
from presage_featurizer.habits import fold_habits
from presage_featurizer.sessions import close_finished, enter_session
from presage_featurizer.state import (
    MAX_MONEY_MICROS,
    MAX_RECENT_EVENTS,
    MAX_VIEWED_PRODUCTS,
    Session,
    State,
    copy_struct,
)

__all__ = ["FOLD_VERSION", "fold"]

FOLD_VERSION = 1
"""Part of every feature set's fingerprint; goes up when the same events would give features another value."""

# Looking a member up on its enum takes longer than most of what a fold does.
_ADD_TO_CART = EventType.ADD_TO_CART
_PAGE_VIEW = EventType.PAGE_VIEW
_PURCHASE = EventType.PURCHASE
_REFUND = EventType.REFUND
_REMOVE_FROM_CART = EventType.REMOVE_FROM_CART
_VIEW_ITEM = EventType.VIEW_ITEM

_RECENT_BYTES = MAX_RECENT_EVENTS * WIDTH
_VIEWED_BYTES = MAX_VIEWED_PRODUCTS * WIDTH


def fold(state: State | None, event: Event, *, habits: bool = True) -> State:
    """Fold one event into a visitor's state.

    Pure and deterministic: neither argument changes. Events are taken in the order of the calls; event time decides which session
    an event belongs to and how long ago things were, so a late event is counted where it belongs as far as that is still open.

    Args:
        state: What is remembered; None for a visitor without history.
        event: What happened; its fields have been checked.
        habits: Whether to fold the visitor's habits too, half of the work. Always so in a server, whose models may want them; a
            replay for a feature set that does not (``FeatureSet.uses_habits``) gets the same vectors without.

    Returns:
        The new state. The very same object as ``state`` if the event's id is among the last MAX_RECENT_EVENTS: a duplicate.
    """
    event_digest = digest(event.event_id)
    now = event.event_time_unix_micros
    if state is None:
        state = State(first_seen_unix_micros=now, last_seen_unix_micros=now)
    elif contains(state.recent_events, event_digest):
        return state
    else:
        state = copy_struct(state)
    state.recent_events = (state.recent_events + event_digest)[-_RECENT_BYTES:]
    is_news = now >= state.last_seen_unix_micros
    if is_news:
        state.last_seen_unix_micros = now
    elif now < state.first_seen_unix_micros:
        state.first_seen_unix_micros = now
    close_finished(state)
    if event.type == _REFUND:
        # The shop's act, not the visitor's: it says nothing of the device, and belongs to no session.
        _add_money(state, -event.money_micros)
        return state
    if is_news:  # what a late event says of the device and the country is old
        if event.device:
            state.device = int(event.device)
        if event.country:
            state.country = event.country
    if habits:
        state.habits = fold_habits(state.habits, event, is_news=is_news)
    _change_cart_and_orders(state, event)
    session = enter_session(state, event)
    if session is not None:
        _count_in_session(session, event)
        if state.cart:
            cart_value = min(cart_value_micros(state.cart), MAX_MONEY_MICROS)
            session.max_cart_value_micros = max(session.max_cart_value_micros, cart_value)
    return state


def _change_cart_and_orders(state: State, event: Event) -> None:
    kind = event.type
    if kind == _ADD_TO_CART:
        state.cart, left_out = add_items(state.cart, event.items)
        state.cart_saturated = state.cart_saturated or left_out
    elif kind == _REMOVE_FROM_CART:
        state.cart = remove_items(state.cart, event.items)
    elif kind == _PURCHASE:
        now = event.event_time_unix_micros
        state.orders += 1
        _add_money(state, event.money_micros)
        if not state.first_order_unix_micros or now < state.first_order_unix_micros:
            state.first_order_unix_micros = now
        state.last_order_unix_micros = max(state.last_order_unix_micros, now)
        state.cart = remove_items(state.cart, event.items) if event.items else {}


def _count_in_session(session: Session, event: Event) -> None:
    session.event_count += 1
    kind = event.type
    if kind == _PAGE_VIEW:
        session.page_views += 1
    elif kind == _VIEW_ITEM:
        session.product_views += len(event.items) or 1
        for item in event.items:
            # Beyond the cap the average stays what it is.
            if item.price_micros and session.viewed_price_micros + item.price_micros <= MAX_MONEY_MICROS:
                session.priced_views += 1
                session.viewed_price_micros += item.price_micros
            item_digest = product_digest(item.item_id)
            viewed = session.viewed_products
            if len(viewed) < _VIEWED_BYTES and not contains(viewed, item_digest):
                session.viewed_products = viewed + item_digest
    elif kind == _ADD_TO_CART:
        session.add_to_carts += 1


def _add_money(state: State, money_micros: int) -> None:
    state.spent_micros = max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, state.spent_micros + money_micros))
