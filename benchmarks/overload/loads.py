"""Closed loops with many calls in flight, and bursts to an idle server: nothing of either needs to be rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import grpc
from rich.table import Table

from benchmarks.rig.load import Calls, Outcome, run_load

__all__ = ["DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "Load", "bursts", "closed_loop", "loads_table"]

DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = (
    code.value[0] for code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
)

_LOOP_CONNECTIONS = 8
_BURSTS, _BURST_PAUSE_SECONDS = 20, 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """A closed loop, or bursts, in one round."""

    part: str
    """``loops`` or ``bursts``."""
    calls: int
    """In flight, or in each burst."""
    connections: int
    answered: int
    per_second: float
    """Calls answered, in a second; of bursts the time between them counts too."""
    p50_us: float
    p99_us: float
    max_us: float
    rejected: int
    """With RESOURCE_EXHAUSTED."""
    late: int
    """Not answered before the deadline."""
    failed: int
    """All others."""


def closed_loop(address: str, calls: Calls, count: int, seconds: float) -> Load:
    """Keep a number of calls in flight."""
    outcome = run_load(address, calls, in_flight=count, connections=_LOOP_CONNECTIONS, seconds=seconds)
    return _load("loops", count, _LOOP_CONNECTIONS, outcome)


def bursts(address: str, calls: Calls, count: int, connections: int) -> Load:
    """Send bursts of a number of calls, each to an idle server."""
    outcome = run_load(
        address,
        calls,
        burst=count,
        bursts=_BURSTS,
        pause_seconds=_BURST_PAUSE_SECONDS,
        connections=connections,
        seconds=60.0,
    )
    return _load("bursts", count, connections, outcome)


def _load(part: str, calls: int, connections: int, outcome: Outcome) -> Load:
    rejected, late = (outcome.of(status).calls for status in (RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED))
    return Load(
        part=part,
        calls=calls,
        connections=connections,
        answered=outcome.ok.calls,
        per_second=outcome.per_second,
        p50_us=outcome.ok.p50_us,
        p99_us=outcome.ok.p99_us,
        max_us=outcome.ok.max_us,
        rejected=rejected,
        late=late,
        failed=outcome.errors - rejected - late,
    )


def loads_table(loads: Sequence[Load]) -> Table:
    """Lay out the medians of the rounds, and the sums of the calls that were not answered."""
    titles = (
        "",
        "calls at once",
        "connections",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "rejected",
        "late",
        "failed",
        "of",
    )
    table = Table(*titles, caption="medians of the rounds; rejected, late and failed are sums")
    for part, calls, connections in dict.fromkeys((one.part, one.calls, one.connections) for one in loads):
        rounds = [one for one in loads if (one.part, one.calls, one.connections) == (part, calls, connections)]

        def of(get: Callable[[Load], float], rounds: Sequence[Load] = rounds) -> float:
            return median(map(get, rounds))

        bad = [sum(getattr(one, name) for one in rounds) for name in ("rejected", "late", "failed")]
        table.add_row(
            part,
            f"{calls:,}",
            str(connections),
            f"{of(lambda one: one.per_second):,.0f}",
            *(f"{of(lambda one, name=name: getattr(one, name)) / 1e3:.1f}" for name in ("p50_us", "p99_us", "max_us")),
            *(f"{number:,}" for number in bad),
            f"{sum(bad) + sum(one.answered for one in rounds):,}",
        )
    return table
