"""``state' = fold(state, event)``: how an event changes what is remembered of a visitor."""

from __future__ import annotations

from presage_featurizer.cart import add_items, cart_value_micros, remove_items
from presage_featurizer.digests import WIDTH, contains, digest, product_digest
from presage_featurizer.events import Event, EventType
from presage_featurizer.habits import fold_habits
from presage_featurizer.sessions import close_finished, enter_session
from presage_featurizer.state import (
    ALL_PARTS,
    MAX_MONEY_MICROS,
    MAX_RECENT_EVENTS,
    MAX_VIEWED_PRODUCTS,
    Session,
    State,
    StatePart,
    copy_state,
)

__all__ = ["FOLD_VERSION", "begin", "fold", "fold_in_place", "fold_into", "remember"]

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


def fold(state: State | None, event: Event) -> State:
    """Fold one event into a visitor's state.

    Pure and deterministic: neither argument changes. Events are taken in the order of the calls; event time decides which session
    an event belongs to and how long ago things were, so a late event is counted where it belongs as far as that is still open.

    Args:
        state: What is remembered; None for a visitor without history.
        event: What happened; its fields have been checked.

    Returns:
        The new state. The very same object as ``state`` if the event's id is among the last MAX_RECENT_EVENTS: a duplicate.
    """
    if state is None:
        state = begin(event)
        fold_in_place(state, event)
        return state
    changed = copy_state(state)
    return changed if fold_in_place(changed, event) else state


def fold_in_place(state: State, event: Event) -> bool:
    """Fold one event into a state that only the caller holds, such as one just decoded: ``fold`` without the copy.

    Returns:
        Whether the event was folded; False if its id is among the last MAX_RECENT_EVENTS, and the state is unchanged.
    """
    event_digest = digest(event.event_id)
    if contains(state.recent_events, event_digest):
        return False
    remember(state, event_digest)
    fold_into(state, event)
    return True


def begin(event: Event) -> State:
    """Return the state of a visitor before their first event is folded."""
    return State(event.event_time_unix_micros, event.event_time_unix_micros)


def remember(state: State, event_digest: bytes) -> None:
    """Remember an event's id, so that the event delivered again counts once (changes the state in place)."""
    state.recent_events = (state.recent_events + event_digest)[-_RECENT_BYTES:]


def fold_into(state: State, event: Event, needs: frozenset[StatePart] = ALL_PARTS) -> Session | None:
    """Fold one event into a state that only the caller holds, without a look at the event's id.

    Args:
        state: What is remembered; changed in place.
        event: What happened; its fields have been checked, and it has not been counted before.
        needs: The parts of the state to fold. A server folds all, for whichever model comes next; a replay folds only those that its
            feature set needs.

    Returns:
        The session that the event went into; None if it belongs to none.
    """
    now, kind = event.event_time_unix_micros, event.type
    is_news = now >= state.last_seen_unix_micros
    if is_news:
        state.last_seen_unix_micros = now
    elif now < state.first_seen_unix_micros:
        state.first_seen_unix_micros = now
    if kind == _REFUND:
        # The shop's act, not the visitor's: it says nothing of the device, and belongs to no session.
        close_finished(state)
        _add_money(state, -event.money_micros)
        return None
    if is_news:  # what a late event says of the device and the country is old
        if event.device:
            state.device = int(event.device)
        if event.country:
            state.country = event.country
    if "habits" in needs:
        fold_habits(state.habits, event, is_news=is_news)
    if kind != _VIEW_ITEM:  # as most events are
        _change_cart_and_orders(state, event)
    session = enter_session(state, event)
    if session is not None:
        _count_in_session(session, event)
        if state.cart:
            cart_value = cart_value_micros(state.cart)
            if cart_value > session.max_cart_value_micros:
                session.max_cart_value_micros = min(cart_value, MAX_MONEY_MICROS)
    return session


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
    if kind == _VIEW_ITEM:
        items = event.items
        session.product_views += len(items) or 1
        for item in items:
            price = item.price_micros
            # Beyond the cap the average stays what it is.
            if price and (viewed_price := session.viewed_price_micros + price) <= MAX_MONEY_MICROS:
                session.priced_views += 1
                session.viewed_price_micros = viewed_price
            item_digest = product_digest(item.item_id)
            viewed = session.viewed_products
            if not contains(viewed, item_digest) and len(viewed) < _VIEWED_BYTES:
                session.viewed_products = viewed + item_digest
    elif kind == _PAGE_VIEW:
        session.page_views += 1
    elif kind == _ADD_TO_CART:
        session.add_to_carts += 1


def _add_money(state: State, money_micros: int) -> None:
    state.spent_micros = max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, state.spent_micros + money_micros))
