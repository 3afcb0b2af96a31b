"""The routes of the page Visitors."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(label="Visitors", path="/visitors", summary="What a visitor did, and why the score is what it is.")


async def show(request: Request) -> Response:
    """Answer GET /visitors."""
    return render(request, "visitor/index.html")


routes = [Route("/visitors", show)]
