"""The clock: what the outermost layer reads, and everything else is handed."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], int]
"""Tells the time in microseconds since 1970-01-01 UTC."""


def system_clock() -> int:
    """Tell the machine's time in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000
