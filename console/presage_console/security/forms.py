"""Forms that browsers send."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from presage_console.errors import RequestError

__all__ = ["local_path", "read_form"]

_MOST_BYTES = 64 << 10
_MOST_FIELDS = 200


async def read_form(request: Request) -> Mapping[str, str]:
    """Read the fields of a form; of a name that comes twice, the last value.

    Raises:
        RequestError: It is no form, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise RequestError("expected a form (application/x-www-form-urlencoded)", 415)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise RequestError(f"expected a form of at most {_MOST_BYTES} bytes", 413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError as error:
        raise RequestError("expected a form in UTF-8 with at most 200 fields") from error


def local_path(path: str, default: str = "/") -> str:
    """Return a path to go to after a form, or the default for what leads to another site."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_local else default
