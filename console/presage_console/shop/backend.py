"""What a shop's web backend does with Presage: this is the file to copy from.

It needs the client alone (``pip install presage-scoring``). A click is one request of the browser, and becomes at most five calls:
``track_many`` with what the visitor did, then at once ``score``, ``explain``, ``rank`` and ``similar_items``. A shop does not
depend on any of them: where Presage does not answer, products come in the shop's own order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from presage_client import (
    AsyncClient,
    CatalogueItem,
    Event,
    EventType,
    Exclusion,
    Explanation,
    InvalidRequestError,
    Item,
    ItemFilter,
    Prediction,
    PresageError,
    RankContext,
    Ranking,
    SimilarItems,
)
from presage_console.shop.products import CURRENCY, TAG, Product, Shelf
from presage_console.shop.visits import CartLine, Visit

__all__ = ["LIST_LENGTH", "Click", "Insight", "ShopBackend", "candidates_of"]

LIST_LENGTH: Final = 12
_SIMILAR: Final = 4
_STOCK: Final = 100
_LABEL_BYTES: Final = 128
_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Since when the products have been there."""

_logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Click:
    """What the visitor did, as the browser says."""

    request_id: str
    """The page's own id of the click: however often the browser sends it, it counts once."""
    action: str
    """``open``, ``look``, ``wish``, ``add``, ``remove``, ``check-out``, ``pay``, ``category``, ``search`` or ``budget``."""
    product: Product | None = None
    """What it is about, of ``look``, ``wish``, ``add`` and ``remove``."""
    text: str = ""
    """The category, the words that are searched for, or the budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Insight:
    """What Presage says about a visitor now; None where it does not answer."""

    prediction: Prediction | None
    explanation: Explanation | None
    ranking: Ranking | None
    similar: SimilarItems | None
    """What is like the product that the visitor looks at; None without one."""


class ShopBackend:
    """Tells Presage what visitors do, and asks what to show them.

    Args:
        presage: The client; one for the whole process.
        shelf: What is sold.
        placement: The name of the rules for the shop's lists (``presage serve --placements``).
    """

    def __init__(self, presage: AsyncClient, shelf: Shelf, *, placement: str = "") -> None:
        self._presage, self._shelf, self._placement = presage, shelf, placement

    async def stock(self) -> None:
        """Tell Presage of the products: once, and whenever one changes.

        Raises:
            PresageError: The call failed, or an item was rejected.
        """
        items = [
            CatalogueItem(
                item_id=product.item_id,
                price=product.price,
                category=product.category,
                brand=product.brand,
                tags=[TAG],
                stock=_STOCK,
                first_seen_unix_micros=_SINCE,
            )
            for product in self._shelf.products.values()
        ]
        for outcome in await self._presage.upsert_items(items):
            if outcome.error is not None:
                raise outcome.error

    async def track(self, visit: Visit, click: Click) -> None:
        """Tell Presage what the visitor saw and did, in one call; then every score and ranking takes it into account."""
        seen, visit.unseen = visit.unseen, None
        outcomes = await _or_none(self._presage.track_many(_events(visit, click, seen)), "track_many")
        for outcome in outcomes or ():
            if outcome.error is not None:
                _logger.warning("an event was rejected: %s", outcome.error)

    async def look_up(self, visit: Visit) -> Insight:
        """Ask all questions of a page at once."""
        presage, user_id = self._presage, visit.visitor_id
        prediction, explanation, ranking, similar = await asyncio.gather(
            _or_none(presage.score(user_id), "score"),
            _or_none(presage.explain(user_id), "explain"),
            _or_none(self._rank(visit), "rank"),
            _or_none(self._similar(visit.looking_at), "similar_items") if visit.looking_at else _nothing(),
        )
        visit.unseen = ranking
        return Insight(prediction=prediction, explanation=explanation, ranking=ranking, similar=similar)

    async def _rank(self, visit: Visit) -> Ranking | None:
        """Rank what was searched for, or the open category, or the whole shop."""
        context = RankContext(
            placement=self._placement,
            budget=visit.budget,
            anchor_item_id=visit.looking_at,
            exclude=[Exclusion.CART],
        )
        candidates = candidates_of(visit, self._shelf)
        if not candidates:  # an empty search: without candidates, Presage would find some of its own
            return None
        k = min(LIST_LENGTH, len(candidates))
        try:
            return await self._presage.rank(visit.visitor_id, candidate_ids=candidates, k=k, context=context)
        except InvalidRequestError:
            if not context.placement:
                raise
            self._placement = ""  # this server has no rules of that name
            context = replace(context, placement="")
            return await self._presage.rank(visit.visitor_id, candidate_ids=candidates, k=k, context=context)

    async def _similar(self, item_id: str) -> SimilarItems:
        return await self._presage.similar_items(item_id, k=_SIMILAR, filter=ItemFilter(tags=[TAG]))


def candidates_of(visit: Visit, shelf: Shelf) -> list[str]:
    """Return the ids of the products that the list is made of, in the shop's own order."""
    if visit.words:
        return [product.item_id for product in shelf.find(visit.words)]
    if visit.category:
        return [product.item_id for product in shelf.categories[visit.category].products]
    return list(shelf.products)


def _events(visit: Visit, click: Click, seen: Ranking | None) -> list[Event]:
    """Say as events what the visitor saw and did. All ids come from the click's: the server counts each once."""
    user_id, product = visit.visitor_id, click.product
    events: list[Event] = []

    def happened(event_type: EventType, *items: Item, order_id: str = "") -> None:
        events.append(
            Event(
                event_id=f"{click.request_id}-{len(events)}",
                type=event_type,
                user_id=user_id,
                items=items,
                order_id=order_id,
                currency=CURRENCY if order_id else "",
                labels={"term": _shortened(click.text)} if event_type is EventType.SEARCH else {},
            )
        )

    if seen is not None and seen.items:  # they clicked on a page that showed it
        happened(EventType.VIEW_ITEM_LIST, *seen.impression(user_id).items)
    match click.action:
        case "look" if product is not None:
            if seen is not None and any(ranked.item_id == product.item_id for ranked in seen.items):
                happened(EventType.SELECT_ITEM, seen.item(product.item_id))
            happened(EventType.VIEW_ITEM, _item(product))
        case "wish" if product is not None:
            happened(EventType.ADD_TO_WISHLIST, _item(product))
        case "add" if product is not None:
            happened(EventType.ADD_TO_CART, _item(product))
        case "remove" if product is not None:
            happened(EventType.REMOVE_FROM_CART, _item(product))
        case "check-out":
            happened(EventType.VIEW_CART)
            happened(EventType.BEGIN_CHECKOUT, *_in_cart(visit.cart.values()))
        case "pay":
            bought = _in_cart(visit.cart.values())
            happened(EventType.ADD_PAYMENT_INFO, *bought)
            happened(EventType.PURCHASE, *bought, order_id=click.request_id)
        case "search":
            happened(EventType.SEARCH)
        case _:
            happened(EventType.PAGE_VIEW)
    return events


def _item(product: Product, quantity: int = 1) -> Item:
    return Item(
        item_id=product.item_id,
        category=product.category,
        brand=product.brand,
        price=product.price,
        quantity=quantity,
    )


def _in_cart(lines: Iterable[CartLine]) -> list[Item]:
    return [_item(line.product, line.quantity) for line in lines]


def _shortened(text: str) -> str:
    """Return as much of a text as an event's label may have."""
    return text.encode()[:_LABEL_BYTES].decode(errors="ignore")


async def _nothing() -> None:
    return None


async def _or_none(answer: Awaitable[Answer], call: str) -> Answer | None:
    """Wait for an answer; None where there is none, since the page does not depend on it."""
    try:
        return await answer
    except PresageError as error:
        _logger.warning("%s failed: %s", call, error)
        return None
