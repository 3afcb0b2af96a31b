"""Who is signed in: sessions in the console's memory, named by a cookie."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LASTS_SECONDS", "Session", "SessionCookie", "Sessions", "set_cookie"]

LASTS_SECONDS: Final = 8 * 3_600
_MOST = 1_000
_COOKIE = "presage_console"
_SECURE_COOKIE = f"__Host-{_COOKIE}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One browser that is signed in."""

    name: str
    """Who it is, for the history of changes."""
    token: str = field(repr=False)
    """What changes are made with; empty where the server has no tokens."""
    is_admin: bool
    """Whether it may change something; others may only look."""
    csrf: str = field(repr=False)
    """What its forms send along."""
    ends_unix_micros: int


class Sessions:
    """The sessions; a restart ends all.

    Args:
        now: Returns the time, in microseconds of Unix time.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._sessions: dict[str, Session] = {}

    def start(self, *, name: str, token: str, is_admin: bool) -> str:
        """Start a session; returns its id, for the cookie."""
        self._drop_old()
        session_id = secrets.token_urlsafe(32)
        self._sessions[session_id] = Session(
            name=name,
            token=token,
            is_admin=is_admin,
            csrf=secrets.token_urlsafe(32),
            ends_unix_micros=self._now() + LASTS_SECONDS * 1_000_000,
        )
        return session_id

    def find(self, session_id: str) -> Session | None:
        """Return a session; None if there is none, or it has ended."""
        session = self._sessions.get(session_id)
        if session is not None and session.ends_unix_micros <= self._now():
            self.end(session_id)
            return None
        return session

    def end(self, session_id: str) -> None:
        """End a session."""
        self._sessions.pop(session_id, None)

    def _drop_old(self) -> None:
        now = self._now()
        self._sessions = {key: session for key, session in self._sessions.items() if session.ends_unix_micros > now}
        while len(self._sessions) >= _MOST:
            self._sessions.pop(next(iter(self._sessions)))


class SessionCookie:
    """Finds the session of each request: ``request.scope["console_session"]``, and its id in ``console_session_id``."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            session_id = HTTPConnection(scope).cookies.get(_cookie_name(scope), "")
            scope["console_session_id"] = session_id
            scope["console_session"] = self._sessions.find(session_id)
        await self._app(scope, receive, send)


def set_cookie(response: Response, scope: Scope, session_id: str) -> None:
    """Let the browser keep a session; an empty id makes it forget."""
    response.set_cookie(
        _cookie_name(scope),
        session_id,
        max_age=LASTS_SECONDS if session_id else 0,
        secure=scope["scheme"] == "https",
        httponly=True,
        samesite="lax",  # a link in an alert opens the page it names; what changes something is a POST, and those come without it
    )


def _cookie_name(scope: Scope) -> str:
    # Browsers take a cookie with this prefix over HTTPS only, and from no neighbouring name.
    return _SECURE_COOKIE if scope["scheme"] == "https" else _COOKIE
