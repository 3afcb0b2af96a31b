"""How many calls are under way, and how many may be."""

from __future__ import annotations

from types import TracebackType

from presage_server.errors import OverloadedError

__all__ = ["InFlight", "refusal"]


def refusal(under_way: int) -> str:
    """Say why a call is not let in."""
    return f"{under_way} calls are under way already; try again, later or elsewhere"


class InFlight:
    """Lets calls in up to a limit: beyond what a server can do in time, more calls would only make all of them late.

    Args:
        limit: Calls that may be under way at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    def __enter__(self) -> None:
        """Let a call in.

        Raises:
            OverloadedError: As many as may be are under way.
        """
        if self._count >= self._limit:
            raise OverloadedError(refusal(self._count))
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Count the call out."""
        self._count -= 1
