"""The routes of the page Models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(
    label="Models", path="/models", summary="Versions, which of them serve, comparisons, and what was learned."
)


async def show(request: Request) -> Response:
    """Answer GET /models."""
    return render(request, "models/index.html")


routes = [Route("/models", show)]
