"""A stopwatch: how long each stage of a call took."""

from __future__ import annotations

from time import perf_counter

__all__ = ["Stopwatch"]


class Stopwatch:
    """Splits the time since it was made into named laps."""

    __slots__ = ("_laps", "_last", "_start")

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Add the time since the last lap to a name."""
        now = perf_counter()
        self._laps[name] = self._laps.get(name, 0.0) + now - self._last
        self._last = now

    def micros(self, name: str) -> float:
        """Tell a lap's length in microseconds; 0 if it was never taken."""
        return self._laps.get(name, 0.0) * 1e6

    def total_micros(self) -> float:
        """Tell the time from the start to the last lap, in microseconds."""
        return (self._last - self._start) * 1e6
