"""The routes of the page Drift."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(label="Drift", path="/drift", summary="Which features have changed since the model was trained.")


async def show(request: Request) -> Response:
    """Answer GET /drift."""
    return render(request, "drift/index.html")


routes = [Route("/drift", show)]
