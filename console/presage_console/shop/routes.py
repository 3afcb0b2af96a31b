"""The routes of the demo shop. Any visitor of the console may use it: it changes nothing but its own made-up visitors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from presage_console.console import Console
from presage_console.errors import RequestError
from presage_console.push import stream
from presage_console.rendering import NavEntry, fragment, render
from presage_console.security.forms import read_form
from presage_console.shop.backend import Click
from presage_console.shop.clicks import parse_click
from presage_console.shop.crowd import Crowd
from presage_console.shop.learning import read_learning
from presage_console.shop.personas import PERSONAS
from presage_console.shop.pictures import draw
from presage_console.shop.products import read_shelf
from presage_console.shop.storefront import Shown, Storefront, new_id
from presage_console.shop.views import make_view, sparkline
from presage_console.shop.visits import Visit

__all__ = ["Shop", "nav", "open_shop", "routes"]

nav = NavEntry(label="Shop", path="/shop", summary="A small shop: click, and watch the score and the ranking change.")

_COOKIE: Final = "presage_shop"
_MODEL: Final = "conversion"
_PUSH_SECONDS: Final = 0.5
_FOREVER: Final = "public, max-age=86400"


@dataclass(frozen=True, slots=True)
class Shop:
    """What the routes share: ``request.app.state.shop``."""

    storefront: Storefront
    crowd: Crowd

    async def close(self) -> None:
        """Send all personas home."""
        await self.crowd.close()


def open_shop(console: Console) -> Shop:
    """Open the shop; no call is made before the first visitor comes."""
    storefront = Storefront(console.server.client, read_shelf())
    return Shop(storefront, Crowd(storefront, seed=7))


async def show(request: Request) -> Response:
    """Answer GET /shop."""
    shop = _of(request)
    visit = shop.storefront.visits.find(request.cookies.get(_COOKIE, ""))
    if visit is not None:
        return await _page(request, visit, await shop.storefront.show(visit))
    visit = await shop.storefront.enter()
    shown = await shop.storefront.click(visit, Click(request_id=new_id(), action="open"))
    return _remember(await _page(request, visit, shown), request, visit)


async def click(request: Request) -> Response:
    """Answer POST /shop/click: with the part of the page that changes, or where no script runs, with the way back to the page."""
    shop = _of(request)
    form = await read_form(request)
    visit = shop.storefront.visits.find(request.cookies.get(_COOKIE, ""))
    if visit is None:  # the console was started again
        visit = await shop.storefront.enter()
    shown = await shop.storefront.click(visit, parse_click(form, shop.storefront.shelf))
    if request.headers.get("hx-request") != "true":
        return _remember(RedirectResponse("/shop", 303), request, visit)
    return _remember(render(request, "shop/shop.html", **_context(request, visit, shown)), request, visit)


async def leave(_request: Request) -> Response:
    """Answer POST /shop/leave: the next page is that of a new visitor."""
    response = RedirectResponse("/shop", 303)
    response.delete_cookie(_COOKIE, path="/shop")
    return response


async def start_persona(request: Request) -> Response:
    """Answer POST /shop/personas."""
    form = await read_form(request)
    persona = PERSONAS.get(form.get("persona", ""))
    if persona is None:
        raise RequestError("persona: expected one of the shop; open the shop again")
    await _of(request).crowd.start(persona)
    if request.headers.get("hx-request") == "true":
        return render(request, "shop/crowd.html", **_crowd(request))
    return RedirectResponse("/shop", 303)


async def push(request: Request) -> Response:
    """Answer GET /shop/events with what others do and what was learned, again and again: a browser has few connections."""

    async def produce() -> str:
        return fragment(request, "shop/events.html", **_crowd(request), **await _learning(request))

    return stream(request, produce, every_seconds=_PUSH_SECONDS)


async def picture(request: Request) -> Response:
    """Answer GET /shop/pictures/ITEM."""
    product = _of(request).storefront.shelf.products.get(request.path_params["item_id"])
    if product is None:
        raise HTTPException(404)
    return Response(draw(product), media_type="image/svg+xml", headers={"Cache-Control": _FOREVER})


async def _page(request: Request, visit: Visit, shown: Shown) -> Response:
    return render(
        request,
        "shop/index.html",
        personas=PERSONAS.values(),
        **_context(request, visit, shown),
        **await _learning(request),
        **_crowd(request),
    )


def _context(request: Request, visit: Visit, shown: Shown) -> dict[str, Any]:
    shelf = _of(request).storefront.shelf
    return {"view": make_view(visit, shown, shelf, request_id=new_id())}


def _crowd(request: Request) -> dict[str, Any]:
    crowd = _of(request).crowd
    return {"crowd": [(each, sparkline(each.visit.scores or [0.0])) for each in crowd.visits]}


async def _learning(request: Request) -> dict[str, Any]:
    console: Console = request.app.state.console
    models = console.models
    learning = None if models is None else await asyncio.to_thread(read_learning, models / _MODEL)
    return {
        "learning": learning,
        "learns": models is not None and console.archive is not None,
        "serves_models": models is not None,
    }


def _remember(response: Response, request: Request, visit: Visit) -> Response:
    secure = request.url.scheme == "https"
    response.set_cookie(_COOKIE, visit.visitor_id, path="/shop", httponly=True, samesite="lax", secure=secure)
    return response


def _of(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


routes = [
    Route("/shop", show),
    Route("/shop/click", click, methods=["POST"]),
    Route("/shop/leave", leave, methods=["POST"]),
    Route("/shop/personas", start_persona, methods=["POST"]),
    Route("/shop/events", push),
    Route("/shop/pictures/{item_id}", picture),
]
