"""What goes with a call beside its request: an id under which both sides can find it, and the caller's place in a trace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from presage_client._checks import check_text

__all__ = ["REQUEST_ID", "Caller", "caller", "request_context"]

REQUEST_ID: Final = "x-request-id"
_TRACEPARENT: Final = "traceparent"
_ID_BYTES = 8
_TEXT = re.compile(r"[!-~]{1,128}", re.ASCII)


class Caller(NamedTuple):
    """On whose behalf a call is made."""

    request_id: str
    metadata: tuple[tuple[str, str], ...]
    """What is sent."""


_current: ContextVar[Caller | None] = ContextVar("presage_caller", default=None)


def caller() -> Caller:
    """Return the context of the calls made here; outside of ``request_context``, each call is its own request."""
    current = _current.get()
    if current is not None:
        return current
    request_id = secrets.token_hex(_ID_BYTES)
    return Caller(request_id, ((REQUEST_ID, request_id),))


@contextmanager
def request_context(*, request_id: str = "", traceparent: str = "") -> Iterator[str]:
    """Make all calls within the block, in this thread or task, part of one request of yours; yields the request's id.

    Args:
        request_id: Sent as ``x-request-id``: 1 to 128 printable ASCII characters. Empty: a random one.
        traceparent: Sent as ``traceparent``, by which tracing finds what belongs together (W3C Trace Context). Empty: not sent.

    Raises:
        TypeError: One of them is no string.
        ValueError: One of them has other characters, or too many.
    """
    for name, value in (("request_id", request_id), ("traceparent", traceparent)):
        check_text(name, value)
        if value and not _TEXT.fullmatch(value):
            raise ValueError(f"{name}: expected 1 to 128 printable ASCII characters without spaces, got {value!r}")
    request_id = request_id or secrets.token_hex(_ID_BYTES)
    metadata = [(REQUEST_ID, request_id), *([(_TRACEPARENT, traceparent)] if traceparent else [])]
    token = _current.set(Caller(request_id, tuple(metadata)))
    try:
        yield request_id
    finally:
        _current.reset(token)
