"""The routes of the page Live."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(
    label="Live", path="/live", summary="Calls, latencies, rejections, cold starts and the store, as they are now."
)


async def show(request: Request) -> Response:
    """Answer GET /live."""
    return render(request, "live/index.html")


routes = [Route("/live", show)]
