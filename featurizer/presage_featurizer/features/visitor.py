"""Features of the visitor's whole history."""

from __future__ import annotations

from math import inf

from presage_featurizer.catalogue import feature
from presage_featurizer.events import MICROS
from presage_featurizer.segments import segment_of
from presage_featurizer.state import SESSION_IDLE_MICROS
from presage_featurizer.view import View


@feature(unit="days", scope="visitor")
def recency_days(view: View) -> float:
    """Days since the last purchase; for a visitor who never bought, days since first seen."""
    state = view.state
    return view.days_since(state.last_order_unix_micros or state.first_seen_unix_micros)


@feature(unit="orders", scope="visitor")
def frequency(view: View) -> float:
    """Orders so far."""
    return view.state.orders


@feature(unit="currency", scope="visitor", low=-inf)
def monetary_value(view: View) -> float:
    """Money spent so far, minus refunds; negative if refunds exceed the recorded purchases."""
    return view.state.spent_micros / MICROS


@feature(unit="currency", scope="visitor", low=-inf)
def avg_order_value(view: View) -> float:
    """Money spent so far, minus refunds, per order; 0 without orders."""
    state = view.state
    return state.spent_micros / MICROS / state.orders if state.orders else 0.0


@feature(unit="days", scope="visitor")
def days_since_first_purchase(view: View) -> float:
    """Days since the first purchase; 0 without orders."""
    return view.days_since(view.state.first_order_unix_micros)


@feature(unit="share", scope="visitor", high=1.0)
def bounce_rate(view: View) -> float:
    """Share of the visitor's ended sessions with a single event; an idle session counts as ended."""
    state, current = view.state, view.session
    ended, bounced = state.closed_sessions, state.bounced_sessions
    for session in state.sessions:
        if session is not current and view.now_unix_micros - session.last_unix_micros > SESSION_IDLE_MICROS:
            ended += 1
            bounced += session.event_count == 1
    return bounced / ended if ended else 0.0


@feature(unit="segment", scope="visitor", high=5.0)
def user_segment_encoded(view: View) -> float:
    """0 new, 1 returning, 2 buyer, 3 repeat buyer, 4 loyal, 5 lapsed."""
    state = view.state
    return segment_of(
        orders=state.orders,
        sessions=state.closed_sessions + len(state.sessions),
        days_since_last_order=view.days_since(state.last_order_unix_micros),
    )


@feature(unit="device", scope="visitor", high=4.0)
def device_encoded(view: View) -> float:
    """The last known device: 0 unknown, 1 desktop, 2 mobile, 3 tablet, 4 other."""
    return view.state.device


@feature(unit="index", scope="visitor")
def country_encoded(view: View) -> float:
    """The last known country, as its position in the feature set's vocabulary, from 1; 0 unknown."""
    return view.countries.get(view.state.country, 0)
