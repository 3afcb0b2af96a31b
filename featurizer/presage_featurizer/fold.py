"""``state' = fold(state, event)``: how an event changes a visitor's state."""

from __future__ import annotations

from presage_featurizer.aggregates import NO_AGGREGATES, Aggregates, fold_slots
from presage_featurizer.cart import add_items, cart_value_micros, remove_items
from presage_featurizer.digests import WIDTH, contains, digest, product_digest
from presage_featurizer.events import Event, EventType
from presage_featurizer.habits import fold_habits
from presage_featurizer.item_history import fold_items
from presage_featurizer.orders import fold_purchase, fold_refund
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
from presage_featurizer.wrong_clock import move_back

__all__ = ["FOLD_VERSION", "begin", "fold", "fold_in_place", "fold_into", "remember"]

FOLD_VERSION = 2
"""Part of every feature set's fingerprint; increases when the same events would give different features."""

# Looking up a member of an enum takes longer than most steps of a fold.
_ADD_TO_CART = EventType.ADD_TO_CART
_PAGE_VIEW = EventType.PAGE_VIEW
_PURCHASE = EventType.PURCHASE
_REFUND = EventType.REFUND
_REMOVE_FROM_CART = EventType.REMOVE_FROM_CART
_VIEW_ITEM = EventType.VIEW_ITEM

_RECENT_BYTES = MAX_RECENT_EVENTS * WIDTH
_VIEWED_BYTES = MAX_VIEWED_PRODUCTS * WIDTH


def fold(state: State | None, event: Event, aggregates: Aggregates = NO_AGGREGATES) -> State:
    """Fold one event into a visitor's state.

    Pure and deterministic: neither argument changes. Events are folded in the order of the calls. Event time determines which
    session an event belongs to and how long ago things happened, so a late event is counted in its own session while that is open.

    Args:
        state: The visitor's state; None for a visitor without history.
        event: Its fields must have been checked.
        aggregates: What else to keep; slots of other aggregates are dropped.

    Returns:
        The new state; ``state`` itself if the event is a duplicate: its id is among the last MAX_RECENT_EVENTS.
    """
    if state is None:
        state = begin(event)
        fold_in_place(state, event, aggregates)
        return state
    changed = copy_state(state)
    return changed if fold_in_place(changed, event, aggregates) else state


def fold_in_place(state: State, event: Event, aggregates: Aggregates = NO_AGGREGATES) -> bool:
    """Fold one event into a state that only the caller refers to, such as one just decoded: ``fold`` without the copy.

    Returns:
        Whether the event was folded; False for a duplicate, which leaves the state unchanged.
    """
    event_digest = digest(event.event_id)
    if contains(state.recent_events, event_digest):
        return False
    remember(state, event_digest)
    fold_into(state, event, ALL_PARTS, aggregates)
    return True


def begin(event: Event) -> State:
    """Return the state of a visitor before their first event is folded."""
    return State(event.event_time_unix_micros, event.event_time_unix_micros)


def remember(state: State, event_digest: bytes) -> None:
    """Record an event's id, so that the event counts once if it is delivered again (changes the state in place)."""
    state.recent_events = (state.recent_events + event_digest)[-_RECENT_BYTES:]


def fold_into(
    state: State, event: Event, needs: frozenset[StatePart] = ALL_PARTS, aggregates: Aggregates = NO_AGGREGATES
) -> Session | None:
    """Fold one event into a state that only the caller refers to, without checking for a duplicate.

    Args:
        state: The visitor's state; changed in place.
        event: Its fields must have been checked.
        needs: The parts of the state to fold. A server folds all, for any model that may be served later; a replay folds only those
            that its feature set needs.
        aggregates: What else to keep; slots of other aggregates are dropped.

    Returns:
        The session that the event was counted in; None if it belongs to none.
    """
    now, kind = event.event_time_unix_micros, event.type
    if event.server_clock_unix_micros:
        move_back(state, event.server_clock_unix_micros)
    is_newest = now >= state.last_seen_unix_micros
    if is_newest:
        state.last_seen_unix_micros = now
    elif now < state.first_seen_unix_micros:
        state.first_seen_unix_micros = now
    if kind == _REFUND:
        # The shop acts here, not the visitor: a refund tells nothing about the device, and belongs to no session.
        close_finished(state)
        fold_refund(state, event)
        fold_slots(aggregates, state, None, event)
        return None
    if is_newest:  # the device and the country of a late event are outdated
        if event.device:
            state.device = int(event.device)
        if event.country:
            state.country = event.country
    if "habits" in needs:
        fold_habits(state.habits, event, is_newest=is_newest)
    if kind != _VIEW_ITEM:  # as most events are
        _change_cart_and_orders(state, event)
    session = enter_session(state, event)
    if session is not None:
        _count_in_session(session, event)
        if state.cart:
            cart_value = cart_value_micros(state.cart)
            if cart_value > session.max_cart_value_micros:
                session.max_cart_value_micros = min(cart_value, MAX_MONEY_MICROS)
    fold_items(state, session, event, needs)
    fold_slots(aggregates, state, session, event)
    return session


def _change_cart_and_orders(state: State, event: Event) -> None:
    kind = event.type
    if kind == _ADD_TO_CART:
        state.cart, dropped = add_items(state.cart, event.items)
        state.cart_saturated = state.cart_saturated or dropped
    elif kind == _REMOVE_FROM_CART:
        state.cart = remove_items(state.cart, event.items)
    elif kind == _PURCHASE:
        is_new = fold_purchase(state, event)
        if event.items:
            state.cart = remove_items(state.cart, event.items)
        elif is_new:  # the same order again says nothing about what was put into the cart since
            state.cart = {}


def _count_in_session(session: Session, event: Event) -> None:
    session.event_count += 1
    kind = event.type
    session.events[int(kind)] = session.events.get(kind, 0) + 1
    if kind == _VIEW_ITEM:
        items = event.items
        session.product_views += len(items) or 1
        for item in items:
            price = item.price_micros
            # Above the limit, the average no longer changes.
            if price and (viewed_price := session.viewed_price_micros + price) <= MAX_MONEY_MICROS:
                session.priced_views += 1
                session.viewed_price_micros = viewed_price
            item_digest = product_digest(item.item_id)
            viewed = session.viewed_products
            if contains(viewed, item_digest):
                session.repeat_views += 1
            elif len(viewed) < _VIEWED_BYTES:
                session.viewed_products = viewed + item_digest
    elif kind == _PAGE_VIEW:
        session.page_views += 1
    elif kind == _ADD_TO_CART:
        session.add_to_carts += 1
