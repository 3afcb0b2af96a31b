"""The web application: pages, what they share, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from presage_console import home
from presage_console.console import Console
from presage_console.drift import routes as drift
from presage_console.items import routes as items
from presage_console.live import routes as live
from presage_console.models import routes as models
from presage_console.problems import HANDLERS, Defects
from presage_console.rendering import environment
from presage_console.security import sign_in
from presage_console.security.headers import SecurityHeaders
from presage_console.security.requests import HEALTH_PATH, OwnRequests
from presage_console.security.sessions import SessionCookie
from presage_console.shop import routes as shop
from presage_console.static_files import StaticFiles
from presage_console.visitor import routes as visitor

__all__ = ["create_app"]


def create_app(console: Console) -> Starlette:
    """Make the application. It closes the console's connections when it ends."""
    pages = [live, models, visitor, drift, items, *([shop] if console.settings.shop else [])]
    before = [
        Middleware(SecurityHeaders),
        Middleware(OwnRequests, known_hosts=console.settings.known_hosts),
        Middleware(SessionCookie, sessions=console.sessions),
        Middleware(Defects),
    ]
    if console.settings.reading_needs_sign_in:
        before.append(Middleware(sign_in.SignInWall))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await app.state.shop.close()
            console.hub.stop()
            await console.server.close()

    app = Starlette(
        routes=[
            *home.routes,
            *sign_in.routes,
            *(route for page in pages for route in page.routes),
            Route(HEALTH_PATH, _healthy),
            Mount("/static", StaticFiles(), name="static"),
        ],
        middleware=before,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    app.state.console = console
    app.state.shop = shop.open_shop(console)
    app.state.templates = environment([page.nav for page in pages])
    return app


async def _healthy(_request: Request) -> Response:
    """Answer health checks: the console itself runs."""
    return PlainTextResponse("ok\n")
