"""Options and counters of both event queues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from presage_client._checks import check_integers, check_numbers

__all__ = ["QueueOptions", "QueueStats", "WhenFull"]

_POSITIVE = (
    "max_events",
    "batch_events",
    "linger_ms",
    "max_wait_ms",
    "timeout_ms",
    "initial_backoff_ms",
    "max_backoff_ms",
)


class WhenFull(StrEnum):
    """What a queue does with an event for which it has no room."""

    DROP_NEWEST = "drop-newest"
    """It drops that event."""
    DROP_OLDEST = "drop-oldest"
    """It drops the event that has waited for the longest time."""
    WAIT = "wait"
    """It has the caller wait for room, for ``max_wait_ms``, and drops the event then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueOptions:
    """How a queue of events works.

    Raises:
        TypeError: An option has a value of the wrong type; the message names it.
        ValueError: An option is out of its range; the message names it.
    """

    max_events: int = 10_000
    """Most events in the queue, those that are being sent included."""
    when_full: WhenFull = WhenFull.DROP_NEWEST
    """What happens to further ones."""
    max_wait_ms: float = 1_000
    """Longest wait for room, in milliseconds, with ``WhenFull.WAIT``."""
    batch_events: int = 500
    """Most events that are taken to be sent together."""
    linger_ms: float = 20
    """How long an event waits for others to be sent with, in milliseconds."""
    timeout_ms: float = 2_000
    """Timeout of a call with events, in milliseconds; only the queue waits for it."""
    max_attempts: int = 20
    """How often one event is sent while the server answers that it cannot count it now; then the event is given up.

    While calls as a whole fail, because no server is there, events are never given up: they wait.
    """
    initial_backoff_ms: float = 50
    """Wait before calls are made again after one that failed, in milliseconds; doubles with each, up to ``max_backoff_ms``."""
    max_backoff_ms: float = 5_000
    """Longest wait between two calls, in milliseconds, unless the server says that it must be longer."""

    def __post_init__(self) -> None:
        integers = ("max_events", "batch_events", "max_attempts")
        check_integers(self, integers)
        check_numbers(self, _POSITIVE)
        for name in (*_POSITIVE, "max_attempts"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{name}: expected a positive, finite number, got {value!r}")
        object.__setattr__(self, "when_full", WhenFull(self.when_full))
        if self.max_backoff_ms < self.initial_backoff_ms:
            raise ValueError(
                f"max_backoff_ms: expected at least initial_backoff_ms ({self.initial_backoff_ms!r}), "
                f"got {self.max_backoff_ms!r}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueStats:
    """What a queue has done with its events. All that were put are waiting, counted, dropped or rejected."""

    put: int = 0
    """Events that were put into it, dropped ones included."""
    waiting: int = 0
    """Those that are in it, or are being sent."""
    counted: int = 0
    """Those that a server has counted, now or before."""
    dropped: int = 0
    """Those that were given up: there was no room, the queue was closed, or it closed before they were sent."""
    rejected: int = 0
    """Those that the server does not take as they are, or that it could not count in ``max_attempts``."""
    failed_calls: int = 0
    """Calls that failed as a whole; their events went on waiting."""
