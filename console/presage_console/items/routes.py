"""The routes of the page Items."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(label="Items", path="/items", summary="What is popular, in stock, and bought together.")


async def show(request: Request) -> Response:
    """Answer GET /items."""
    return render(request, "items/index.html")


routes = [Route("/items", show)]
