"""A constant rate at a multiple of what a server can answer, and how soon it is back to normal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.table import Table

from benchmarks.overload.loads import DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED
from benchmarks.rig.load import Calls, Outcome, run_load

__all__ = ["Health", "Overload", "offered", "overload", "overloads_table", "seconds_until_normal"]

_CALM_SHARE = 0.5
_WINDOW_SECONDS = 0.25
_WINDOWS = 12
_CONNECTIONS = 8
_HEALTH_SECONDS = 0.05


@dataclass(slots=True)
class Health:
    """What the health service answered."""

    checks: int = 0
    serving: int = 0
    slowest_us: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Overload:
    """One round at a multiple of the saturation; times in microseconds unless named otherwise."""

    saturation_per_second: float
    offered_per_second: float
    accepted_per_second: float
    calm_p99_us: float
    accepted_p50_us: float
    accepted_p99_us: float
    rejected_per_second: float
    rejected_p50_us: float
    rejected_p99_us: float
    late: int
    """Calls that were not answered before their deadline."""
    failed: int
    """Calls that were neither answered nor rejected with RESOURCE_EXHAUSTED, nor late."""
    send_lag_p99_us: float
    """How much later than due the generator sent calls: its own part of the latencies."""
    seconds_until_normal: float
    """From the end of the overload; infinite if it was not seen."""
    health: Health = field(default_factory=Health)


def offered(address: str, calls: Calls, rate: float, seconds: float, warm_up_seconds: float = 1.0) -> Outcome:
    """Offer calls at a constant rate, over a few connections."""
    options = {"seconds": seconds, "warm_up_seconds": warm_up_seconds}
    return run_load(address, calls, rate=rate, connections=_CONNECTIONS, **options)


def overload(address: str, calls: Calls, *, times: float, seconds: float) -> Overload:
    """Measure the saturation, go beyond it, and wait for normal latencies.

    Args:
        address: HOST:PORT of the server.
        calls: What to send.
        times: The overload as a multiple of the saturation.
        seconds: How long it lasts.
    """
    saturation = run_load(address, calls, in_flight=64, connections=4, seconds=2.0).per_second
    calm = offered(address, calls, _CALM_SHARE * saturation, 2.0, 0.5)
    with _watched_health(address) as health:
        over = offered(address, calls, times * saturation, seconds)
    # One window after the other, each a run of its own: what is left over from the overload falls into the first one.
    windows = [offered(address, calls, _CALM_SHARE * saturation, _WINDOW_SECONDS, 0.0) for _ in range(_WINDOWS)]
    rejected, late = over.of(RESOURCE_EXHAUSTED), over.of(DEADLINE_EXCEEDED)
    return Overload(
        saturation_per_second=saturation,
        offered_per_second=times * saturation,
        accepted_per_second=over.per_second,
        calm_p99_us=calm.ok.p99_us,
        accepted_p50_us=over.ok.p50_us,
        accepted_p99_us=over.ok.p99_us,
        rejected_per_second=rejected.calls / over.seconds,
        rejected_p50_us=rejected.p50_us,
        rejected_p99_us=rejected.p99_us,
        late=late.calls,
        failed=over.errors - rejected.calls - late.calls,
        send_lag_p99_us=over.send_lag_p99_us,
        seconds_until_normal=seconds_until_normal(windows, calm.ok.p99_us),
        health=health,
    )


def seconds_until_normal(windows: Sequence[Outcome], calm_p99_us: float) -> float:
    """Find when calls take what they took before, at most twice as long and all of them answered.

    Args:
        windows: Outcomes of _WINDOW_SECONDS each, one after the other.
        calm_p99_us: What they took before.
    """
    for number, window in enumerate(windows):
        if window.ok.calls and not window.errors and window.ok.p99_us <= 2 * calm_p99_us:
            return number * _WINDOW_SECONDS
    return float("inf")


@contextmanager
def _watched_health(address: str) -> Iterator[Health]:
    """Call the health service again and again during the context."""
    health, over = Health(), threading.Event()

    def check() -> None:
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not over.wait(_HEALTH_SECONDS):
                began = time.perf_counter()
                health.checks += 1
                with suppress(grpc.RpcError):
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
                    health.serving += answer.status == health_pb2.HealthCheckResponse.SERVING
                health.slowest_us = max(health.slowest_us, 1e6 * (time.perf_counter() - began))

    thread = threading.Thread(target=check)
    thread.start()
    try:
        yield health
    finally:
        over.set()
        thread.join()


def overloads_table(overloads: Sequence[tuple[float, Overload, Outcome]]) -> Table:
    """Lay out the medians of the rounds.

    Args:
        overloads: For each round the multiple, what happened, and what happened to the same calls where all were rejected.
    """
    titles = (
        "times",
        "offered/s",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "rejected/s",
        "p99 ms",
        "late",
        "failed",
        "normal after s",
    )
    table = Table(*titles, "health, slowest ms", "all rejected: late", "p99 ms", caption="medians of the rounds")
    for times in dict.fromkeys(times for times, _, _ in overloads):
        rounds = [(over, only) for multiple, over, only in overloads if multiple == times]

        def of(get: Callable[[Overload], float], rounds: Sequence[tuple[Overload, Outcome]] = rounds) -> float:
            return median(get(over) for over, _ in rounds)

        table.add_row(
            f"{times:g}",
            f"{of(lambda one: one.offered_per_second):,.0f}",
            f"{of(lambda one: one.accepted_per_second):,.0f}",
            f"{of(lambda one: one.accepted_p50_us) / 1e3:.1f}",
            f"{of(lambda one: one.accepted_p99_us) / 1e3:.1f}",
            f"{of(lambda one: one.rejected_per_second):,.0f}",
            f"{of(lambda one: one.rejected_p99_us) / 1e3:.1f}",
            f"{of(lambda one: one.late):,.0f}",
            f"{of(lambda one: one.failed):,.0f}",
            f"{of(lambda one: one.seconds_until_normal):g}",
            f"{of(lambda one: one.health.slowest_us) / 1e3:.0f}",
            f"{median(only.errors - only.of(RESOURCE_EXHAUSTED).calls for _, only in rounds):,.0f}",
            f"{median(only.of(RESOURCE_EXHAUSTED).p99_us for _, only in rounds) / 1e3:.1f}",
        )
    return table
