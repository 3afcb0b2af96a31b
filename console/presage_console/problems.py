"""What browsers get where a page cannot be made."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from presage_client import AccessDeniedError, InvalidRequestError, NotFoundError, PresageError
from presage_console.errors import ConsoleError, RequestError
from presage_console.rendering import render

__all__ = ["HANDLERS", "Defects"]

_logger = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[PresageError], int], ...] = (
    (NotFoundError, 404),
    (InvalidRequestError, 400),
    (AccessDeniedError, 403),
)


class Defects:
    """Answers 500 where a handler fails, with the headers of all answers, and logs why; Starlette's own answer has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if scope["type"] != "http":
                raise
            _logger.exception("%s %r failed", scope["method"], scope["path"])
            if not has_begun:
                request = Request(scope)
                await _show(request, 500, "This is a defect of the console; its log has the details.")(
                    scope, receive, send
                )


async def _show_http(request: Request, error: HTTPException) -> Response:
    message = error.detail
    if message == HTTPStatus.NOT_FOUND.phrase:  # Starlette's own, which only repeats the title
        message = f"The console has no page {request.url.path}."
    return _show(request, error.status_code, message)


async def _show_own(request: Request, error: ConsoleError) -> Response:
    return _show(request, error.status if isinstance(error, RequestError) else 503, str(error))


async def _show_failed_call(request: Request, error: PresageError) -> Response:
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 503)
    return _show(request, status, str(error))


def _show(request: Request, status: int, message: str) -> Response:
    # htmx swaps an error into the place of what was asked for; a whole page has no room there.
    name = "problem.html" if request.headers.get("hx-request") == "true" else "error.html"
    return render(request, name, status=status, title=HTTPStatus(status).phrase, message=message)


HANDLERS: Final[dict[Any, Callable[[Request, Any], Awaitable[Response]]]] = {
    HTTPException: _show_http,
    ConsoleError: _show_own,
    PresageError: _show_failed_call,
}
"""By the class of the error, for Starlette."""
