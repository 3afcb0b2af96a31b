"""The measurement: in each round every server gets every load in turn, so that what else the machine does meets all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig.figures import Cpu, Figure
from benchmarks.rig.load import WARM_UP_SECONDS, Outcome, run_load
from benchmarks.rig.processes import cpu_seconds, ended_cpu_seconds, process_tree

__all__ = ["measure"]

_RATE_CONNECTIONS = 4


def measure(
    servers: Mapping[str, tuple[str, int]],
    scenarios: Mapping[str, tuple[Path, Sequence[str]]],
    *,
    store_pid: int,
    in_flight: Sequence[int],
    rates: Sequence[float] = (),
    rounds: int,
    seconds: float,
    connections: int = 1,
    tell: Callable[[str], object] = lambda _: None,
) -> list[Figure]:
    """Load servers that run.

    Args:
        servers: HOST:PORT and process id, by name.
        scenarios: A file of calls and the paths of their methods, as ``write_calls`` makes them, by name.
        store_pid: The store's process.
        in_flight: Calls at once, of each closed loop.
        rates: Calls a second, of each load at a constant rate.
        rounds: How often each load is made.
        seconds: For how long.
        connections: Over how many connections, at most, in closed loops; at constant rates it is _RATE_CONNECTIONS.
        tell: Is told what is being done.

    Returns:
        One figure for each scenario, number in flight or rate, and server, in this order.
    """
    outcomes: dict[tuple[str, int, float, str], list[tuple[Outcome, Cpu]]] = {}
    loads = [*((at_once, 0.0) for at_once in in_flight), *((0, rate) for rate in rates)]
    for number in range(rounds):
        for scenario, (calls, paths) in scenarios.items():
            for at_once, rate in loads:
                for server, (address, pid) in servers.items():
                    tell(
                        f"round {number + 1}: {scenario}, {f'{rate:g}/s' if rate else f'{at_once} in flight'}, {server}"
                    )
                    before = _spent(pid, store_pid)
                    how: dict[str, Any] = (
                        {"rate": rate, "connections": _RATE_CONNECTIONS}
                        if rate
                        else {"in_flight": at_once, "connections": min(connections, at_once)}
                    )
                    outcome = run_load(address, paths, calls, seconds=seconds, **how)
                    calls_made = max(outcome.per_second * (seconds + WARM_UP_SECONDS), 1.0)
                    server_us, store_us, generator_us = (
                        (now - then) / calls_made * 1e6
                        for now, then in zip(_spent(pid, store_pid), before, strict=True)
                    )
                    cpu = Cpu(server_us=server_us, store_us=store_us, generator_us=generator_us)
                    outcomes.setdefault((scenario, at_once, rate, server), []).append((outcome, cpu))
    return [
        Figure.of(server, scenario, at_once, rounds_of_this, rate=rate)
        for (scenario, at_once, rate, server), rounds_of_this in outcomes.items()
    ]


def _spent(server_pid: int, store_pid: int) -> tuple[float, float, float]:
    """Tell the processor time so far, in seconds: of the server, of the store, and of all generators that ran."""
    return cpu_seconds(process_tree(server_pid)), cpu_seconds([store_pid]), ended_cpu_seconds()
