"""One call under way: how long it may take, and how long it has taken."""

from __future__ import annotations

from presage_server.telemetry.stopwatch import Stopwatch

__all__ = ["Call"]


class Call:
    """What a handler is told of its call, beside the request.

    Args:
        seconds: What the call may take from its start: the caller's deadline or the server's own, whichever is first.
        stopwatch: Runs from the call's start.
    """

    __slots__ = ("seconds", "stopwatch")

    def __init__(self, seconds: float, stopwatch: Stopwatch | None = None) -> None:
        self.seconds = seconds
        self.stopwatch = stopwatch or Stopwatch()
