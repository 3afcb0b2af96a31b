"""The shop as its routes and its personas use it: a click in, what the page shows out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from presage_client import AsyncClient
from presage_console.shop.backend import Click, Insight, ShopBackend
from presage_console.shop.clicks import apply, is_possible
from presage_console.shop.products import Shelf
from presage_console.shop.visits import Visit, Visits

__all__ = ["PLACEMENT", "Shown", "Storefront", "new_id"]

PLACEMENT: Final = "shop"
"""The placement whose rules hold for the shop's lists, if the server has some."""

_MOST_VISITS: Final = 1_000


def new_id() -> str:
    """Return an id that nobody has: of a click, or of a visitor."""
    return secrets.token_hex(12)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What one answer shows, and what was shown before it."""

    insight: Insight
    score_before: float | None
    contributions_before: Mapping[str, float]
    """What each feature added to the margin, by name; empty if that is not known."""
    places_before: Mapping[str, int]
    """The places, from 1, of the products of the list before; empty if that was another kind of list."""


class Storefront:
    """Handles clicks.

    Args:
        presage: The client.
        shelf: What is sold.
    """

    def __init__(self, presage: AsyncClient, shelf: Shelf) -> None:
        self.shelf = shelf
        self.visits = Visits(_MOST_VISITS, lambda: f"shop-{new_id()}")
        self._backend = ShopBackend(presage, shelf, placement=PLACEMENT)
        self._stocking = asyncio.Lock()
        self._is_stocked = False

    async def enter(self) -> Visit:
        """Begin a visit; the first one also loads the products into Presage's catalogue.

        Raises:
            PresageError: The products are not in the catalogue yet, and cannot be loaded.
        """
        async with self._stocking:
            if not self._is_stocked:
                await self._backend.stock()
                self._is_stocked = True
        return self.visits.begin()

    async def click(self, visit: Visit, click: Click) -> Shown:
        """Track a click, and ask what to show then. One that was handled before changes nothing again."""
        async with visit.lock:
            is_new = click.request_id not in visit.clicks and is_possible(visit, click)
            if is_new:
                visit.clicks.append(click.request_id)
                await self._backend.track(visit, click)
                apply(visit, click)
            return await self._show(visit, adds_score=is_new)

    async def show(self, visit: Visit) -> Shown:
        """Ask what to show to a visitor who did nothing, such as reload the page."""
        async with visit.lock:
            return await self._show(visit, adds_score=False)

    async def _show(self, visit: Visit, *, adds_score: bool) -> Shown:
        insight = await self._backend.look_up(visit)
        of_list = (visit.category, visit.words)
        shown = Shown(
            insight=insight,
            score_before=visit.scores[-1] if visit.scores else None,
            contributions_before=visit.contributions,
            places_before=visit.places if visit.of_list == of_list else {},
        )
        if adds_score and insight.prediction is not None:
            visit.add_score(insight.prediction.score)
        if insight.explanation is not None:
            visit.contributions = {each.feature: each.contribution for each in insight.explanation.contributions}
        if insight.ranking is not None:
            visit.places = {ranked.item_id: place for place, ranked in enumerate(insight.ranking.items, 1)}
            visit.of_list = of_list
        return shown
