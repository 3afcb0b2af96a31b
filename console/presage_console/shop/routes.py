"""The routes of the page Shop."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(label="Shop", path="/shop", summary="A small shop: click, and watch the score and the ranking change.")


async def show(request: Request) -> Response:
    """Answer GET /shop."""
    return render(request, "shop/index.html")


routes = [Route("/shop", show)]
