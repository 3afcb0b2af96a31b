"""Features of the current session; all 0 when there is none."""

from __future__ import annotations

from presage_featurizer.catalogue import feature
from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS, EventType
from presage_featurizer.state import MAX_VIEWED_PRODUCTS
from presage_featurizer.view import View

_PURCHASE_STEP = 7.0
_STEPS = {
    int(kind): step
    for step, kinds in enumerate(
        (
            (EventType.PAGE_VIEW,),
            (EventType.VIEW_ITEM_LIST, EventType.SEARCH),
            (EventType.SELECT_ITEM, EventType.VIEW_ITEM),
            (EventType.ADD_TO_CART, EventType.VIEW_CART),
            (EventType.BEGIN_CHECKOUT,),
            (EventType.ADD_PAYMENT_INFO,),
            (EventType.PURCHASE,),
        ),
        start=1,
    )
    for kind in kinds
}
"""The step of the funnel of each type of event; other types are no step."""


@feature(unit="events", scope="session")
def page_views(view: View) -> float:
    """Pages viewed in this session."""
    return view.session.page_views


@feature(unit="views", scope="session")
def product_views(view: View) -> float:
    """Product views in this session, including repeated ones."""
    return view.session.product_views


@feature(unit="events", scope="session")
def add_to_cart_events(view: View) -> float:
    """Additions to the cart in this session."""
    return view.session.add_to_carts


@feature(unit="products", scope="session", high=MAX_VIEWED_PRODUCTS)
def unique_products_viewed(view: View) -> float:
    """Distinct products viewed in this session, up to 256."""
    return len(view.session.viewed_products) // WIDTH


@feature(unit="currency", scope="session")
def avg_product_price_viewed(view: View) -> float:
    """Average price of the products viewed in this session; 0 without a priced view."""
    session = view.session
    return session.viewed_price_micros / MICROS / session.priced_views if session.priced_views else 0.0


@feature(unit="minutes", scope="session")
def session_duration_minutes(view: View) -> float:
    """Minutes since this session began."""
    session = view.session
    if not session.event_count or session.start_unix_micros > view.now_unix_micros:
        return 0.0
    return (view.now_unix_micros - session.start_unix_micros) / (60 * MICROS)


@feature(unit="currency", scope="session")
def max_cart_value(view: View) -> float:
    """Largest value of the cart during this session."""
    return view.session.max_cart_value_micros / MICROS


@feature(unit="events", scope="session")
def event_count(view: View) -> float:
    """Events in this session."""
    return view.session.event_count


def _count(view: View, kind: EventType) -> int:
    return view.session.events.get(kind, 0)


@feature(unit="events", scope="session")
def session_searches(view: View) -> float:
    """Searches in this session."""
    return _count(view, EventType.SEARCH)


@feature(unit="events", scope="session")
def session_list_views(view: View) -> float:
    """Lists of products viewed in this session."""
    return _count(view, EventType.VIEW_ITEM_LIST)


@feature(unit="events", scope="session")
def session_item_selections(view: View) -> float:
    """Products selected from a list in this session."""
    return _count(view, EventType.SELECT_ITEM)


@feature(unit="events", scope="session")
def session_wishlist_adds(view: View) -> float:
    """Additions to the wish list in this session."""
    return _count(view, EventType.ADD_TO_WISHLIST)


@feature(unit="events", scope="session")
def session_cart_removals(view: View) -> float:
    """Removals from the cart in this session."""
    return _count(view, EventType.REMOVE_FROM_CART)


@feature(unit="events", scope="session")
def session_cart_views(view: View) -> float:
    """Views of the cart in this session."""
    return _count(view, EventType.VIEW_CART)


@feature(unit="events", scope="session")
def session_checkouts(view: View) -> float:
    """Checkouts begun in this session."""
    return _count(view, EventType.BEGIN_CHECKOUT)


@feature(unit="events", scope="session")
def session_payment_infos(view: View) -> float:
    """Payment details given in this session."""
    return _count(view, EventType.ADD_PAYMENT_INFO)


@feature(unit="events", scope="session")
def session_purchases(view: View) -> float:
    """Purchases in this session."""
    return _count(view, EventType.PURCHASE)


@feature(unit="views", scope="session")
def session_repeat_views(view: View) -> float:
    """Product views in this session of a product already viewed in it."""
    return view.session.repeat_views


@feature(unit="share", scope="session", high=1.0)
def product_view_share(view: View) -> float:
    """Share of product views among this session's events."""
    session = view.session
    return _count(view, EventType.VIEW_ITEM) / session.event_count if session.event_count else 0.0


@feature(unit="type", scope="session", high=float(max(EventType)))
def last_event_type(view: View) -> float:
    """Type of this session's newest event, by its number in the event types; 0 without a session."""
    return view.session.last_type


@feature(unit="step", scope="session", high=_PURCHASE_STEP)
def last_event_step(view: View) -> float:
    """Funnel step of this session's newest event: 0 none, 1 page, 2 list, 3 product, 4 cart, 5 checkout, 6 payment, 7 purchase."""
    return _STEPS.get(view.session.last_type, 0)


@feature(unit="step", scope="session", high=_PURCHASE_STEP)
def deepest_step(view: View) -> float:
    """Deepest step of the funnel reached in this session, numbered like last_event_step; 0 for none."""
    return max([_STEPS.get(kind, 0) for kind in view.session.events], default=0)


@feature(unit="steps", scope="session", high=_PURCHASE_STEP)
def steps_reached(view: View) -> float:
    """Distinct steps of the funnel reached in this session."""
    return len({_STEPS[kind] for kind in view.session.events if kind in _STEPS})


@feature(unit="seconds", scope="session")
def seconds_since_last_event(view: View) -> float:
    """Seconds since this session's newest event."""
    session = view.session
    if not session.event_count or session.last_unix_micros > view.now_unix_micros:
        return 0.0
    return (view.now_unix_micros - session.last_unix_micros) / MICROS


@feature(unit="seconds", scope="session")
def last_gap_seconds(view: View) -> float:
    """Seconds between this session's two newest events; 0 for a single event."""
    return view.session.last_gap_micros / MICROS


@feature(unit="seconds", scope="session")
def longest_gap_seconds(view: View) -> float:
    """Longest time between two events of this session, one after the other, in seconds; 0 for a single event."""
    return view.session.longest_gap_micros / MICROS


@feature(unit="seconds", scope="session")
def mean_gap_seconds(view: View) -> float:
    """Mean time between two events of this session, one after the other, in seconds; 0 for a single event."""
    session = view.session
    gaps = session.event_count - 1
    return (session.last_unix_micros - session.start_unix_micros) / MICROS / gaps if gaps > 0 else 0.0
