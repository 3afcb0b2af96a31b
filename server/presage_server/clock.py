"""The clock, which only the outermost layer reads; everything else gets the time as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], int]
"""Returns the time in microseconds since 1970-01-01 UTC."""


def system_clock() -> int:
    """Return the machine's time in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000
