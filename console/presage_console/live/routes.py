"""The routes of the page Live."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.console import Console
from presage_console.live.feed import EVERY_SECONDS, LiveFeed
from presage_console.live.view import live_view
from presage_console.push import stream
from presage_console.rendering import NavEntry, fragment, render

__all__ = ["nav", "routes"]

nav = NavEntry(
    label="Live", path="/live", summary="Calls, latencies, rejections, cold starts and the store, as they are now."
)


async def show(request: Request) -> Response:
    """Answer GET /live; ``method`` names the calls whose latencies are wanted."""
    feed = _feed(request)
    return render(request, "live/index.html", **({"view": None} if feed is None else await _read(request, feed)))


async def push(request: Request) -> Response:
    """Answer GET /live/events: the page's figures, every two seconds."""
    feed = _feed(request)
    if feed is None:
        return Response(status_code=404)
    method = (await _read(request, feed))["method"]

    async def produce() -> str:
        return fragment(request, "live/figures.html", **await _read(request, feed))

    return stream(request, produce, every_seconds=EVERY_SECONDS, key=f"/live/events?method={method}")


def _feed(request: Request) -> LiveFeed | None:
    """Return what all who look at this console share; None where no metrics are connected."""
    console: Console = request.app.state.console
    if console.metrics is None:
        return None
    if not hasattr(request.app.state, "live_feed"):
        request.app.state.live_feed = LiveFeed(console.metrics.read, console.now)
    feed: LiveFeed = request.app.state.live_feed
    return feed


async def _read(request: Request, feed: LiveFeed) -> dict[str, Any]:
    """Read the metrics, and make the view; ``method`` is the one that was asked for, if it is called."""
    console: Console = request.app.state.console
    wanted = request.query_params.get("method", "")
    view = live_view(await feed.refresh(), console.now(), wanted)
    return {"view": view, "method": wanted if wanted in view.methods else ""}


routes = [Route("/live", show), Route("/live/events", push)]
