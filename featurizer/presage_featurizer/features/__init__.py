"""The features, one small function each, in one module per scope; importing this package fills the catalogue."""

from __future__ import annotations

from presage_featurizer.features import calendar, cart, habits, items, session, visitor

__all__ = ["calendar", "cart", "habits", "items", "session", "visitor"]
