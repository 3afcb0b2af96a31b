"""Latencies of single calls: one after another, with nothing else for the server to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from presage_client import Client, ClientOptions, Event, EventType, PresageError
from presage_training.errors import TrainingError

__all__ = ["SingleCallStats", "time_single_calls"]

_TIMEOUT_MS = 2_000
_WARM_UP_CALLS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class SingleCallStats:
    track_micros: list[float]
    """The latency of each TrackEvent."""
    score_micros: list[float]
    """The latency of each Score."""


def time_single_calls(target: str, user_ids: Sequence[str], *, calls: int) -> SingleCallStats:
    """Track a page view of one visitor after another, then score them; each call waits for the one before it.

    Args:
        target: The server, host:port.
        user_ids: The visitors, at least one; they take turns.
        calls: How many calls of each kind are timed; a few more come first, which are not.

    Returns:
        The latencies, as this process sees them.

    Raises:
        TrainingError: A call failed.
    """
    with Client(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:

        def track(user_id: str) -> None:
            client.track(Event(type=EventType.PAGE_VIEW, user_id=user_id))

        def score(user_id: str) -> None:
            client.score(user_id)

        try:
            return SingleCallStats(
                track_micros=_time(track, user_ids, calls), score_micros=_time(score, user_ids, calls)
            )
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error


def _time(call: Callable[[str], None], user_ids: Sequence[str], calls: int) -> list[float]:
    micros = []
    for number in range(_WARM_UP_CALLS + calls):
        started = perf_counter()
        call(user_ids[number % len(user_ids)])
        micros.append((perf_counter() - started) * 1e6)
    return micros[_WARM_UP_CALLS:]
