"""The features, one small function each, in a module for each scope; importing this package fills the catalogue."""

from __future__ import annotations

from presage_featurizer.features import calendar, cart, habits, session, visitor

__all__ = ["calendar", "cart", "habits", "session", "visitor"]
