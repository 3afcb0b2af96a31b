"""How many calls a token may make: a bucket of calls that fills at a steady rate.

The state of a bucket is one number, the moment at which it will be full again (the generic cell rate algorithm). So workers can
share it in memory: no lock is needed for a number, and what two of them write at the same moment lets one call too many pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

__all__ = ["SLOTS", "RateLimit", "Slots", "slots_of"]

SLOTS: Final = 1 << 14
"""Buckets that can be shared; far more than there are tokens, so that each keeps its place when others come and go."""
_TOLERANCE_SECONDS = 1e-9


class Slots(Protocol):
    """Numbers in a list, or in memory that processes share."""

    def __getitem__(self, slot: int, /) -> float: ...

    def __setitem__(self, slot: int, full_at: float, /) -> None: ...


class RateLimit:
    """The calls of one token.

    Args:
        slots: The moments at which buckets are full again, in seconds of ``time.monotonic``; 0 at first.
        slot: Which of them is this one.
        calls_per_second: How fast the bucket fills.
        burst: How many calls it holds; 0: those of one second, and at least one.
    """

    __slots__ = ("_interval", "_leeway", "_slot", "_slots", "calls_per_second")

    def __init__(self, slots: Slots, slot: int, calls_per_second: float, burst: int = 0) -> None:
        self._slots, self._slot = slots, slot
        self.calls_per_second = calls_per_second
        self._interval = 1.0 / calls_per_second
        self._leeway = (max(1.0, burst or calls_per_second) - 1.0) * self._interval + _TOLERANCE_SECONDS

    def take(self, now: float) -> float:
        """Take a call out of the bucket; if it is empty, return the seconds until there is one in it, else 0."""
        full_at = max(self._slots[self._slot], now)
        if full_at > (emptiest := now + self._leeway + self._interval):  # the token's rate was lower before
            full_at = self._slots[self._slot] = emptiest
        wait = full_at - now - self._leeway
        if wait > 0.0:
            return wait
        self._slots[self._slot] = full_at + self._interval
        return 0.0


def slots_of(digests: Iterable[bytes]) -> Mapping[bytes, int]:
    """Give each token a slot, the same in every process: by its digest, and the next one that is free where two meet."""
    taken: dict[int, bytes] = {}
    for digest in sorted(digests):
        slot = int.from_bytes(digest[:8], "big") % SLOTS
        while slot in taken:
            slot = (slot + 1) % SLOTS
        taken[slot] = digest
    return {digest: slot for slot, digest in taken.items()}
