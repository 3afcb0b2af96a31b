"""Another client of the flooded server: one call after the other, and how long each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import monotonic, perf_counter, sleep

import grpc

from presage_client import Client, ClientOptions, PresageError

__all__ = ["Calls", "call_for", "seconds_until_answered"]

_TIMEOUT_MS = 1_000
_PAUSE_SECONDS = 0.003


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """What became of them."""

    answered: int
    failed: int
    median_ms: float
    """Of those that were answered; infinite if none was."""
    slowest_ms: float
    """Of all, failures too."""


def call_for(
    seconds: float, address: str, credentials: grpc.ChannelCredentials | None, also: Callable[[], object] = lambda: None
) -> Calls:
    """Score a visitor again and again, each within a second; ``also`` is called after each."""
    options = ClientOptions(timeout_ms=_TIMEOUT_MS, max_attempts=1, credentials=credentials)
    times, failures = [], []
    with Client(address, options=options) as client:
        until = monotonic() + seconds
        while monotonic() < until:
            begun = perf_counter()
            try:
                client.score("victim")
            except PresageError:
                failures.append(perf_counter() - begun)
            else:
                times.append(perf_counter() - begun)
            also()
            sleep(_PAUSE_SECONDS)
    return Calls(
        answered=len(times),
        failed=len(failures),
        median_ms=median(times) * 1e3 if times else float("inf"),
        slowest_ms=max(times + failures, default=0.0) * 1e3,
    )


def seconds_until_answered(address: str, credentials: grpc.ChannelCredentials | None, at_most: float) -> float:
    """Score a visitor on connections of its own until an answer comes; infinite if none does in time."""
    options = ClientOptions(timeout_ms=_TIMEOUT_MS, max_attempts=1, credentials=credentials)
    begun = monotonic()
    while monotonic() - begun < at_most:
        with Client(address, options=options) as client:
            try:
                client.score("victim")
            except PresageError:
                sleep(_PAUSE_SECONDS)
            else:
                return monotonic() - begun
    return float("inf")
