"""What a backend tells the server of the shop's items; meanings and limits are those of ``presage/v1/ranking_service.proto``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from presage_client._checks import (
    check_flag,
    check_integers,
    check_numbers,
    check_text_sequence,
    check_texts,
    to_unix_micros,
)
from presage_client.errors import PresageError

__all__ = ["CatalogueItem", "ItemReport", "ItemReports", "UpsertOutcome"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueItem:
    """What is known of one item of the shop. Fields that are not set stay as they are.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
        ValueError: The time is a datetime without a time zone.
    """

    item_id: str
    """The shop's id; 1 to 256 bytes."""
    price: float | None = None
    """The price of one unit in the shop's currency; 0 means unknown."""
    category: str | None = None
    """The category; at most 256 bytes."""
    brand: str | None = None
    """The brand; at most 256 bytes."""
    tags: Sequence[str] = ()
    """Words to filter by, at most 32; they replace all earlier ones if there are any."""
    stock: int | None = None
    """Units in stock, at least 0."""
    blocked: bool | None = None
    """Whether the item must not be shown."""
    first_seen_unix_micros: int | datetime | None = None
    """Since when the item has been there, in microseconds since 1970-01-01 UTC, or as a datetime with a time zone."""

    def __post_init__(self) -> None:
        texts = ("item_id", *(name for name in ("category", "brand") if getattr(self, name) is not None))
        check_texts(self, texts)
        check_text_sequence("tags", self.tags)
        if self.price is not None:
            check_numbers(self, ("price",))
        if self.stock is not None:
            check_integers(self, ("stock",))
        if self.blocked is not None:
            check_flag("blocked", self.blocked)
        if self.first_seen_unix_micros is not None:
            micros = to_unix_micros("first_seen_unix_micros", self.first_seen_unix_micros)
            object.__setattr__(self, "first_seen_unix_micros", micros)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpsertOutcome:
    """What became of one item."""

    error: PresageError | None
    """Why the item is not stored; None if it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemReport:
    """What a server knows of one item: counts as of ``ItemReports.counted_until_unix_micros``, and the newest of the rest."""

    item_id: str
    """The shop's id."""
    cold: bool
    """Whether no events of it are counted yet: nothing but its newest change is known."""
    price: float
    """The price of one unit in the shop's currency; 0 if unknown."""
    category: str
    """The category; empty if unknown."""
    brand: str
    """The brand; empty if unknown."""
    tags: tuple[str, ...]
    """Words to filter by."""
    stock: int | None
    """Units in stock; None if unknown."""
    blocked: bool
    """Whether the item must not be shown."""
    first_seen_unix_micros: int
    """Since when it has been there, in microseconds since 1970-01-01 UTC; 0 if it is cold."""
    views_7_days: int
    """How often it was viewed in 7 days."""
    carts_7_days: int
    """How often it was put into a cart in 7 days."""
    purchases_7_days: int
    """How often it was bought in 7 days."""
    views: int
    """How often it was viewed at all."""
    purchases: int
    """How often it was bought at all."""
    popularity_place: int
    """Its rank among the 200 most popular items of the last 7 days, 1 for the first; 0 if it is not among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemReports:
    """What a server knows of some items."""

    items: tuple[ItemReport, ...]
    """Those that were named, in their order; or the most popular ones, best first."""
    total_items: int
    """How many items events are counted of."""
    counted_until_unix_micros: int
    """Until when, in microseconds since 1970-01-01 UTC; 0 before anything was counted."""
