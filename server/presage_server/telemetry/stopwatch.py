"""A stopwatch: how long each stage of a call took."""

from __future__ import annotations

from time import perf_counter

__all__ = ["Stopwatch"]


class Stopwatch:
    """Splits the time since it was made into named laps."""

    __slots__ = ("_laps", "_last", "_start")

    def __init__(self, start: float | None = None) -> None:
        self._start = self._last = perf_counter() if start is None else start
        self._laps: dict[str, float] = {}

    def lap(self, name: str, at: float | None = None) -> float:
        """Add the time since the last lap, until now or a moment of ``perf_counter``, to a name; answer with it, in seconds."""
        now = perf_counter() if at is None else at
        seconds = now - self._last
        self._laps[name] = self._laps.get(name, 0.0) + seconds
        self._last = now
        return seconds

    def micros(self, name: str) -> float:
        """Tell a lap's length in microseconds; 0 if it was never taken."""
        return self._laps.get(name, 0.0) * 1e6

    def total_micros(self) -> float:
        """Tell the time from the start to the last lap, in microseconds."""
        return (self._last - self._start) * 1e6
