"""The visitor's segment: rules over orders and sessions."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["LAPSED_AFTER_DAYS", "LOYAL_FROM_ORDERS", "Segment", "segment_of"]

LOYAL_FROM_ORDERS = 5
LAPSED_AFTER_DAYS = 90.0


class Segment(IntEnum):
    """How far a visitor has come as a customer."""

    NEW = 0
    """No order, and at most one session."""
    RETURNING = 1
    """No order, but more than one session."""
    BUYER = 2
    """One order."""
    REPEAT_BUYER = 3
    """Two orders or more, fewer than LOYAL_FROM_ORDERS."""
    LOYAL = 4
    """LOYAL_FROM_ORDERS orders or more."""
    LAPSED = 5
    """A buyer of any kind whose last order is more than LAPSED_AFTER_DAYS ago."""


def segment_of(*, orders: int, sessions: int, days_since_last_order: float) -> Segment:
    """Return the segment of a visitor; sessions include open ones."""
    if orders == 0:
        return Segment.RETURNING if sessions > 1 else Segment.NEW
    if days_since_last_order > LAPSED_AFTER_DAYS:
        return Segment.LAPSED
    if orders == 1:
        return Segment.BUYER
    return Segment.LOYAL if orders >= LOYAL_FROM_ORDERS else Segment.REPEAT_BUYER
