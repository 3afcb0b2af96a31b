"""Requests that no page of ours makes: for another name, or from another site."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["HEALTH_PATH", "OwnRequests"]

HEALTH_PATH: Final = "/healthz"
"""Says that the console runs, and nothing else; orchestrators ask for it by an address."""
_READING = frozenset({"GET", "HEAD"})


class OwnRequests:
    """Rejects requests for names that the console does not have, and changes that other sites ask for.

    The first stops pages that give their own name our address (DNS rebinding), the second forms of other sites (CSRF), whether or
    not somebody is signed in. Browsers say where a request comes from (Sec-Fetch-Site, Origin), which no page can change; what
    says nothing is no browser.

    Args:
        app: What gets the other requests.
        known_hosts: The names, in lower case and without ports.
    """

    def __init__(self, app: ASGIApp, known_hosts: Collection[str]) -> None:
        self._app = app
        self._known_hosts = known_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if scope["path"] != HEALTH_PATH and _name_of(headers.get("host", "")) not in self._known_hosts:
                message = "This name is not known here; presage console --allowed-hosts NAME allows it.\n"
                await PlainTextResponse(message, 421)(scope, receive, send)
                return
            if scope["method"] not in _READING and _is_foreign(headers):
                await PlainTextResponse("This was sent by another site.\n", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name_of(host: str) -> str:
    """Return the name of a Host header, without its port: ``[::1]:80`` is ``::1``; empty if it is not valid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site != "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
