"""The sign-in page, and what needs it."""

from __future__ import annotations

import secrets
from enum import Enum

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from presage_client import AccessDeniedError, AsyncClient
from presage_console.console import Console
from presage_console.errors import RequestError
from presage_console.rendering import render
from presage_console.security.changes import session_of, sign_in_address
from presage_console.security.forms import local_path, read_form
from presage_console.security.requests import HEALTH_PATH
from presage_console.security.sessions import set_cookie

__all__ = ["SignInWall", "routes"]

_OPEN = ("/sign-in", "/static/", HEALTH_PATH)
_LONGEST_NAME = 80
_NOT_ACCEPTED = (
    "This token is not accepted: expected one of the server's tokens with the scope admin or score, or, while the server has no "
    "tokens, the one that the console printed when it started."
)


class Access(Enum):
    """What a token allows in the console."""

    NONE = "none"
    READ = "read"
    ADMIN = "admin"


class SignInWall:
    """Sends everybody who is not signed in to the sign-in page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["console_session"] is None and not scope["path"].startswith(_OPEN):
            request = Request(scope)
            back = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
            status = 303 if scope["method"] in {"GET", "HEAD"} else 401
            answer: Response = RedirectResponse(sign_in_address(back if status == 303 else "/"), 303)
            if status == 401 or "text/event-stream" in request.headers.get("accept", ""):
                answer = Response("Sign in first.\n", 401, media_type="text/plain")
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def show(request: Request) -> Response:
    """Answer GET /sign-in."""
    return render(request, "sign_in.html", next=local_path(request.query_params.get("next", "/")), problem="")


async def sign_in(request: Request) -> Response:
    """Answer POST /sign-in: start a session if the token is accepted."""
    console: Console = request.app.state.console
    form = await read_form(request)
    token, name = form.get("token", "").strip(), form.get("name", "").strip()
    back = local_path(form.get("next", "/"))
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        problem = f"name: expected 1 to {_LONGEST_NAME} characters, for the history of changes"
        return render(request, "sign_in.html", status=400, next=back, problem=problem)
    access, server_token = await find_access(console, token)
    if access is Access.NONE:
        return render(request, "sign_in.html", status=403, next=back, problem=_NOT_ACCEPTED)
    console.sessions.end(request.scope["console_session_id"])
    session_id = console.sessions.start(name=name, token=server_token, is_admin=access is Access.ADMIN)
    response = RedirectResponse(back, 303)
    set_cookie(response, request.scope, session_id)
    return response


async def sign_out(request: Request) -> Response:
    """Answer POST /sign-out."""
    session = session_of(request)
    if session is not None:
        form = await read_form(request)
        if not secrets.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
            raise RequestError("This form is of another session: open the page again.", 403)
        console: Console = request.app.state.console
        console.sessions.end(request.scope["console_session_id"])
    response = RedirectResponse("/", 303)
    set_cookie(response, request.scope, "")
    return response


async def find_access(console: Console, token: str) -> tuple[Access, str]:
    """Return what a token allows, and what the server is called with then.

    A server that has tokens decides itself. Where it has none, it would accept any: there, the console's own token is the only one.

    Raises:
        PresageError: The server cannot be asked.
    """
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        return Access.NONE, ""
    async with console.server.with_token("") as anonymous:
        if await _may_list_models(anonymous):
            is_own = secrets.compare_digest(token.encode(), console.own_token.encode())
            return (Access.ADMIN if is_own else Access.NONE), ""
    async with console.server.with_token(token) as client:
        if await _may_list_models(client):
            return Access.ADMIN, token
        if await _may_read(client):
            return Access.READ, token
    return Access.NONE, ""


async def _may_list_models(client: AsyncClient) -> bool:
    """Return whether the caller may do what needs the scope admin."""
    try:
        await client.list_models()
    except AccessDeniedError:
        return False
    return True


async def _may_read(client: AsyncClient) -> bool:
    """Return whether the caller may do what needs the scope score."""
    try:
        await client.list_items(k=1)  # no score, which would be counted as served
    except AccessDeniedError:
        return False
    return True


routes = [
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
