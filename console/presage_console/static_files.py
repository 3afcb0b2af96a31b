"""Files of the console itself: styles, scripts, icons."""

from __future__ import annotations

from starlette.responses import Response
from starlette.staticfiles import StaticFiles as StarletteStaticFiles
from starlette.types import Scope

from presage_console.rendering import STATIC

__all__ = ["StaticFiles"]

_FOREVER = "public, max-age=31536000, immutable"


class StaticFiles(StarletteStaticFiles):
    """Serves them; what is asked for with its digest never changes, and browsers keep it."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        response = await super().get_response(path, scope)
        has_digest = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = _FOREVER if has_digest else "no-cache"
        return response
