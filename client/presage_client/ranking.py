"""Ranked items, and what they are ranked for; meanings and limits are those of ``presage/v1/ranking_service.proto``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from presage_client._checks import (
    check_instance,
    check_members,
    check_numbers,
    check_text_sequence,
    check_texts,
)
from presage_client.types import Device, Event, EventType, Item, Timings

__all__ = [
    "Exclusion",
    "Intent",
    "ItemFilter",
    "ItemSource",
    "RankContext",
    "RankedItem",
    "Ranking",
    "SimilarItems",
]


class Exclusion(IntEnum):
    """Items that are not to be ranked."""

    UNSPECIFIED = 0
    CURRENT = 1
    """The item that the visitor looked at last."""
    SESSION = 2
    """All of the session's last 20 items."""
    BOUGHT = 3
    """Items that the visitor is known to have bought."""
    CART = 4
    """Items in the visitor's cart."""


class Intent(IntEnum):
    """What a session seems to be about."""

    UNSPECIFIED = 0
    """There is no session, or a newer server has a word for it that this client lacks."""
    TRANSACTIONAL = 1
    """The visitor is about to buy."""
    COMPARING = 2
    """The visitor compares items of one category."""
    BROWSING = 3
    """The visitor looks around."""
    RETURNING = 4
    """The visitor came back to items that they know."""
    BARGAIN = 5
    """The visitor goes for the cheaper items of what they look at."""


class ItemSource(IntEnum):
    """How an item was found."""

    UNSPECIFIED = 0
    """In a way that this client has no word for: the server is newer."""
    CANDIDATE = 1
    """The caller named it."""
    HISTORY = 2
    """The visitor's own items, also of earlier sessions."""
    SESSION = 3
    """The session's items."""
    VIEWED_TOGETHER = 4
    """Items of the same sessions as the visitor's."""
    FOLLOWED_BY = 5
    """Items that visitors went to next."""
    LIKED_TOGETHER = 6
    """Items of visitors with the same items."""
    SIMILAR_SESSIONS = 7
    """Items of the sessions most like this one."""
    CATEGORY = 8
    """Items of the same category and brand."""
    PRICE = 9
    """Items of the same category at about the same price."""
    POPULAR = 10
    """Items that are popular now."""
    RULE = 11
    """Items that the placement's rules added."""
    EXPLORATION = 12
    """Items drawn at random."""
    POPULAR_IN_COUNTRY = 13
    """Items that are popular now in the visitor's country."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemFilter:
    """Conditions that ranked items must meet; every item meets those that are not set.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
    """

    categories: Sequence[str] = ()
    """Any of these categories."""
    brands: Sequence[str] = ()
    """Any of these brands."""
    tags: Sequence[str] = ()
    """Any of these tags."""
    min_price: float | None = None
    """A known price of at least this."""
    max_price: float | None = None
    """A known price of at most this."""

    def __post_init__(self) -> None:
        for name in ("categories", "brands", "tags"):
            check_text_sequence(name, getattr(self, name))
        check_numbers(self, [name for name in ("min_price", "max_price") if getattr(self, name) is not None])


@dataclass(frozen=True, kw_only=True, slots=True)
class RankContext:
    """Where and for what a list is shown.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
    """

    placement: str = ""
    """The placement, such as ``home`` or ``cart``, whose rules are applied; empty: the rules that hold everywhere."""
    budget: float | None = None
    """What the visitor can spend, in the shop's currency, at least 0; None if unknown."""
    anchor_item_id: str = ""
    """The item of the page that the list is shown on; empty if there is none."""
    filter: ItemFilter | None = None
    """Conditions that all items in the result meet."""
    exclude: Sequence[Exclusion] = ()
    """Items that are left out."""
    country_code: str = ""
    """The visitor's country, as in events; empty: that of the visitor's newest event that has one."""

    def __post_init__(self) -> None:
        check_texts(self, ("placement", "anchor_item_id", "country_code"))
        check_members("exclude", self.exclude, Exclusion)
        if self.budget is not None:
            check_numbers(self, ("budget",))
        if self.filter is not None:
            check_instance("filter", self.filter, ItemFilter)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedItem:
    """One item of a ranking, best first."""

    item_id: str
    """The shop's id."""
    score: float
    """The model's score before rules. It only compares items of one ranking."""
    source: ItemSource
    """How it was found."""
    reasons: tuple[str, ...]
    """Why it is here, for people: codes such as ``bought_before``, the strongest first."""
    cold: bool
    """Whether the catalogue does not know the item, so that nothing but the visitor speaks for it."""
    propensity: float
    """The probability with which it got this place, 0 to 1; less than 1 where the placement explores."""
    rules: tuple[str, ...]
    """The rules that moved it, such as ``max_per_category``."""
    price: float
    """The price that the rules used, in the shop's currency; 0 if unknown."""
    features: dict[str, float] | None
    """The features that the model saw by name, float32 values in its order; None unless asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """What to show a visitor. It is no impression: once the visitor saw the list, track ``impression``."""

    rank_id: str
    """The id of this ranking, for the events that follow from it."""
    items: tuple[RankedItem, ...]
    """The items, best first."""
    intent: Intent
    """What the session seems to be about."""
    model: str
    """The ranking model."""
    model_version: str
    """Its version."""
    epoch: int
    """The bucket of time up to which the items' statistics were counted."""
    cold_start: bool
    """Whether the visitor had no recorded history."""
    degraded: bool
    """Whether the history could not be read, so that the ranking is that of a visitor without one."""
    no_session: bool
    """Whether no session was open at that moment."""
    timings: Timings | None
    """How long each stage took; None unless asked for."""

    def item(self, item_id: str) -> Item:
        """Return one of the items as events carry it, with its place in the list: for SELECT_ITEM and what follows it.

        Raises:
            KeyError: The ranking does not have it.
        """
        for position, ranked in enumerate(self.items, 1):
            if ranked.item_id == item_id:
                return self._to_item(position, ranked)
        raise KeyError(item_id)

    def impression(
        self,
        user_id: str,
        *,
        session_id: str = "",
        item_ids: Sequence[str] | None = None,
        event_time_unix_micros: int | datetime = 0,
        country: str = "",
        device: Device = Device.UNSPECIFIED,
    ) -> Event:
        """Make the VIEW_ITEM_LIST that says what the visitor was shown; track it once they saw the list.

        Args:
            user_id: The visitor who saw it.
            session_id: The session, as in other events.
            item_ids: The items that came into view, such as the first four of twenty; None: all of them.
            event_time_unix_micros: When, as in other events.
            country: As in other events.
            device: As in other events.

        Returns:
            An event whose items have their places in the ranking, its id and their propensities.

        Raises:
            ValueError: The ranking does not have one of the items.
        """
        if item_ids is not None:
            check_text_sequence("item_ids", item_ids)
            if unknown := set(item_ids).difference(ranked.item_id for ranked in self.items):
                raise ValueError(f"item_ids: expected items of this ranking, got {min(unknown)!r}")
        return Event(
            type=EventType.VIEW_ITEM_LIST,
            user_id=user_id,
            session_id=session_id,
            event_time_unix_micros=event_time_unix_micros,
            items=[
                self._to_item(position, ranked)
                for position, ranked in enumerate(self.items, 1)
                if item_ids is None or ranked.item_id in item_ids
            ],
            country=country,
            device=device,
        )

    def _to_item(self, position: int, ranked: RankedItem) -> Item:
        return Item(
            item_id=ranked.item_id,
            price=ranked.price,
            position=position,
            rank_id=self.rank_id,
            propensity=ranked.propensity,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarItems:
    """Items that are like one item."""

    items: tuple[RankedItem, ...]
    """The items, the nearest first; ``score`` is how near they are, from 0."""
    cold: bool
    """Whether the catalogue does not know the item."""
