"""One call under way: how long it may take, and how long it has taken."""

from __future__ import annotations

from dataclasses import dataclass, field

from presage_server.stopwatch import Stopwatch

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler is told of its call, beside the request."""

    seconds: float
    """What the call may take from its start: the caller's deadline or the server's own, whichever is first."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    """Runs from the call's start."""
