"""The id by which a caller, and those it calls, know a request: the metadata ``x-request-id``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from presage_server.tracing.context import TRACEPARENT, read_parent

__all__ = ["REQUEST_ID", "request_id_of", "trace_of"]

REQUEST_ID = "x-request-id"
_FORM = re.compile(r"[A-Za-z0-9._:/+=@#-]{1,128}", re.ASCII)
"""What may be put into logs and answers as it is."""


def request_id_of(metadata: Sequence[tuple[str, str | bytes]]) -> str:
    """Return the id that the caller sent; empty if there is none, or one that does not belong in a log."""
    for key, value in metadata:
        if key == REQUEST_ID:
            return value if isinstance(value, str) and _FORM.fullmatch(value) else ""
    return ""


def trace_of(metadata: Sequence[tuple[str, str | bytes]]) -> dict[str, str]:
    """Return the id of the trace that a call belongs to, as a field of log lines; nothing if its caller has none."""
    for key, value in metadata:
        if key == TRACEPARENT and (parent := read_parent(value)) is not None:
            return {"trace_id": parent.trace_id}
    return {}
