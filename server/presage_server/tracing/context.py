"""W3C Trace Context: the trace that a call belongs to.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["TRACEPARENT", "TRACESTATE", "Parent", "is_long_enough", "is_sampled", "read_parent"]

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
_FLAGS_AT = 54
"""Where the last digit of the flags is, whose lowest bit says that the trace is sampled."""
_SAMPLED = frozenset("13579bdf")
_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.ASCII)
_LENGTH_OF_VERSION_0 = 55


class Parent(NamedTuple):
    """The caller's span."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""


def is_long_enough(traceparent: str | bytes) -> bool:
    """Return whether it may be one at all."""
    return len(traceparent) > _FLAGS_AT


def is_sampled(traceparent: str | bytes) -> bool:
    """Return whether a caller's trace is sampled, from one character of its ``traceparent``."""
    return len(traceparent) > _FLAGS_AT and traceparent[_FLAGS_AT] in _SAMPLED


def read_parent(traceparent: str | bytes) -> Parent | None:
    """Parse a ``traceparent``; None if it is not valid."""
    if not isinstance(traceparent, str):
        return None
    found = _FORM.fullmatch(traceparent)
    if found is None or (traceparent.startswith("00") and len(traceparent) != _LENGTH_OF_VERSION_0):
        return None
    return Parent(*found.groups())
