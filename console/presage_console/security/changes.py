"""Handlers that change something: who may call them, and how."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from presage_console.errors import RequestError
from presage_console.security.forms import local_path, read_form
from presage_console.security.sessions import Session

__all__ = ["Change", "changes", "session_of", "sign_in_address"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change that somebody who may make it asks for."""

    form: Mapping[str, str]
    """The fields of the form."""
    name: str
    """Who asks, for the history of changes."""
    token: str = field(repr=False)
    """What the server is to be called with: ``console.server.with_token(change.token)``; empty where it has no tokens."""


Handler = Callable[[Request, Change], Awaitable[str]]


def changes(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint for POST of a handler that changes something, and returns the path of the page to show then.

    It runs for signed-in people whose token the server accepted as admin, and for forms with the session's ``csrf`` field:
    ``<form method="post" action="…">{{ csrf }}…</form>``. Others are sent to the sign-in page. The answer is 303, so that reloading
    the page changes nothing again.
    """

    @wraps(handler)
    async def endpoint(request: Request) -> Response:
        session = session_of(request)
        if session is None:
            back = urlsplit(request.headers.get("referer", "")).path
            return RedirectResponse(sign_in_address(local_path(back)), 303)
        form = await read_form(request)
        if not secrets.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
            raise RequestError("This form is of another session: open the page again, and repeat the change.", 403)
        if not session.is_admin:
            raise RequestError("Your token does not allow changes: sign in with one that has the scope admin.", 403)
        path = await handler(request, Change(form=form, name=session.name, token=session.token))
        return RedirectResponse(local_path(path), 303)

    return endpoint


def session_of(request: Request) -> Session | None:
    """Return who is signed in; None if nobody is."""
    session: Session | None = request.scope["console_session"]
    return session


def sign_in_address(back: str) -> str:
    """Return the address of the sign-in page that leads back to a path."""
    return f"/sign-in?next={quote(back, safe='/')}"
