"""The beginning of a transport's end: calls in flight are finished, and those right behind them, while all is served as before."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import monotonic
from typing import Any, Protocol

__all__ = ["finish_calls"]

_QUIET_SECONDS = 0.1
"""After this long without a new call, clients have sent what they kept back while others of their calls were in flight."""
_LATER_SECONDS = 1.0
"""The longest time that new calls are served after those in flight have ended: they may keep coming forever."""
_LOOK_SECONDS = 0.005


class _Serving(Protocol):
    @property
    def calls(self) -> Collection[Any]: ...

    @property
    def arrived_at(self) -> float: ...


async def finish_calls(transport: _Serving, limit_seconds: float) -> None:
    """Return when the calls in flight have ended and no new ones come, or when new ones have come for too long.

    Args:
        transport: The transport, which goes on serving.
        limit_seconds: The longest time to wait, whatever is in flight.
    """
    limit = monotonic() + limit_seconds
    in_flight = set(transport.calls)
    while in_flight and monotonic() < limit:
        await asyncio.sleep(_LOOK_SECONDS)
        in_flight = {call for call in in_flight if call in transport.calls}
    limit = min(limit, monotonic() + _LATER_SECONDS)
    while monotonic() < limit and (transport.calls or monotonic() - transport.arrived_at < _QUIET_SECONDS):  # noqa: ASYNC110 - the calls belong to another thread
        await asyncio.sleep(_LOOK_SECONDS)
