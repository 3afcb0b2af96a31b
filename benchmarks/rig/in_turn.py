"""Servers that differ in one thing, loaded in turn: what a call takes of each, and the ratios."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.rig.load import Calls, run_load
from benchmarks.rig.processes import cpu_seconds
from benchmarks.rig.serving import Server

__all__ = ["CallCost", "load_in_turn", "median_of", "ratios_of"]


class CallCost(NamedTuple):
    """What a call took in one load, in microseconds."""

    cpu: float
    """Processor time of the server."""
    p50: float
    """Latency, as the next one."""
    p99: float


def load_in_turn(
    servers: Mapping[str, Server],
    calls: Calls,
    in_flight: int,
    given: argparse.Namespace,
    options: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, list[CallCost]]:
    """Load servers in turn, as often and for as long as ``load_options`` says; returns the cost in each round, by server.

    Args:
        servers: By name.
        calls: What to send.
        in_flight: How many calls at once.
        given: The rounds, and their seconds.
        options: Further options of the load generator, by server.

    Raises:
        RuntimeError: A call failed.
    """
    costs: dict[str, list[CallCost]] = {name: [] for name in servers}
    for number in range(given.rounds + 1):
        # The next one meets a warmer machine: they change places.
        for name in sorted(servers, reverse=bool(number % 2)):
            server = servers[name]
            before = cpu_seconds([server.pid])
            # Without a warm-up, so that the processor time is that of the calls that are counted.
            usual = {"seconds": given.seconds, "warm_up_seconds": 0.0, "in_flight": in_flight}
            outcome = run_load(server.address, calls, **usual, **(options or {}).get(name, {}))
            if outcome.errors or not outcome.ok.calls:
                raise RuntimeError(f"{name}: expected every call to be answered, but {outcome.errors} were not")
            if number:  # the first round warms up
                cpu = (cpu_seconds([server.pid]) - before) * 1e6 / outcome.ok.calls
                costs[name].append(CallCost(cpu, outcome.ok.p50_us, outcome.ok.p99_us))
    return costs


def ratios_of(costs: Sequence[CallCost], base: Sequence[CallCost]) -> list[CallCost]:
    """Return the ratio to another server's costs in each round."""
    return [
        CallCost(*(own / other for own, other in zip(cost, plain, strict=True)))
        for cost, plain in zip(costs, base, strict=True)
    ]


def median_of(rounds: Sequence[CallCost]) -> CallCost:
    """Return the median of each figure."""
    return CallCost(*map(median, zip(*rounds, strict=True)))
