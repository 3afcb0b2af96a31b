"""Lists that visitors are shown, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from presage_featurizer.events import Event

__all__ = ["ItemList", "ListRequest", "ListSource", "ListedItem"]


class ListedItem(NamedTuple):
    """One item of a list."""

    item_id: str
    """The product."""
    propensity: float = 1.0
    """The probability with which it got its place."""


@dataclass(frozen=True, slots=True)
class ItemList:
    """What a visitor is shown, first item first."""

    items: Sequence[ListedItem]
    """Each product once."""
    rank_id: str = ""
    """The id of the ranking, for the events that follow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRequest:
    """Who is to be shown a list, and when."""

    user_id: str
    """The visitor."""
    session_id: str
    """The visit; empty if events carry none."""
    unix_micros: int
    """The moment."""
    k: int
    """How many items there is room for."""
    budget_micros: int
    """What the visitor can spend."""
    anchor_item_id: str = ""
    """The product whose page the list is on; empty elsewhere."""


class ListSource(Protocol):
    """Makes lists from what it has seen."""

    def add(self, event: Event) -> None:
        """Take notice of an event; called with all events, each before the lists that follow it."""

    def rank(self, request: ListRequest) -> ItemList:
        """Make a list of at most ``k`` items."""
