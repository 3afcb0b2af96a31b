"""Features of the current session; all 0 when there is none."""

from __future__ import annotations

from presage_featurizer.catalogue import feature
from presage_featurizer.digests import WIDTH
from presage_featurizer.events import MICROS
from presage_featurizer.state import MAX_VIEWED_PRODUCTS
from presage_featurizer.view import View


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
