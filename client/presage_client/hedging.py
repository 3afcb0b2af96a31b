"""When a second attempt of a Score is made while the first is still in flight."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

from presage_client._checks import check_numbers

__all__ = ["Hedging", "HedgingPolicy", "HedgingStats"]

_WINDOW: Final = 500
_REFRESH: Final = 50
"""The delay is computed again after this many calls, and is unknown before this many have ended."""
_MOST_SAVED: Final = 10.0
"""Second attempts that may come at once, after calls that needed none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hedging:
    """Has a Score sent a second time, over a connection of its own, when it takes longer than most do; the first answer counts.

    Raises:
        TypeError: A field has a value of the wrong type; the message names it.
        ValueError: A field is out of its range; the message names it.
    """

    max_share: float = 0.05
    """How many second attempts there are for each call at most, more than 0 and at most 1. They are load on the servers."""
    delay_ms: float = 0
    """Wait before the second attempt, in milliseconds; 0: as long as all but ``max_share`` of the last 500 calls took."""

    def __post_init__(self) -> None:
        check_numbers(self, ("max_share", "delay_ms"))
        if not 0 < self.max_share <= 1:
            raise ValueError(f"max_share: expected more than 0 and at most 1, got {self.max_share!r}")
        if not 0 <= self.delay_ms < float("inf"):
            raise ValueError(f"delay_ms: expected a finite number that is not negative, got {self.delay_ms!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class HedgingStats:
    """What hedging did since the client was made."""

    calls: int = 0
    """Calls that could have been sent twice."""
    hedged: int = 0
    """Those that were."""
    won: int = 0
    """Those of them whose second attempt was answered first."""
    delay_ms: float | None = None
    """The wait before a second attempt; None: not known yet."""


class HedgingPolicy:
    """Decides which calls are sent twice, and after how long. May be shared by threads."""

    def __init__(self, hedging: Hedging) -> None:
        self._share = hedging.max_share
        self._fixed = hedging.delay_ms > 0
        self._delay_seconds = hedging.delay_ms / 1_000 if self._fixed else None
        self._saved = 1.0
        self._took: deque[float] = deque(maxlen=_WINDOW)
        self._calls = self._hedged = self._won = self._ended = 0
        self._lock = Lock()

    @property
    def stats(self) -> HedgingStats:
        """What was done so far."""
        delay_ms = None if self._delay_seconds is None else self._delay_seconds * 1_000
        return HedgingStats(calls=self._calls, hedged=self._hedged, won=self._won, delay_ms=delay_ms)

    def begin(self) -> float | None:
        """Note that a call begins; return the seconds after which it may be sent again, None: not at all."""
        with self._lock:
            self._calls += 1
            self._saved = min(self._saved + self._share, _MOST_SAVED)
            return self._delay_seconds if self._saved >= 1 else None

    def take(self) -> bool:
        """Return whether there is room for a second attempt now, and count it."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            self._hedged += 1
            return True

    def end(self, seconds: float, *, second_won: bool = False) -> None:
        """Note how long a call took until it was answered."""
        with self._lock:
            self._won += second_won
            self._ended += 1
            self._took.append(seconds)
            if not self._fixed and self._ended % _REFRESH == 0:
                ordered = sorted(self._took)
                self._delay_seconds = ordered[int(len(ordered) * (1 - self._share))]

    def fail(self) -> None:
        """Note that a call failed: what has trouble gets no second attempts until calls have been answered again."""
        with self._lock:
            self._saved = min(self._saved, 0.0)
