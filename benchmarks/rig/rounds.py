"""The measurement: in each round every server gets every load in turn, so that what else the machine does affects all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.rig.figures import Figure, LoadShape, RoundFigures
from benchmarks.rig.load import WARM_UP_SECONDS, Calls, run_load
from benchmarks.rig.processes import cpu_seconds, ended_cpu_seconds, process_tree
from benchmarks.rig.serving import Server

__all__ = ["measure", "measure_once"]


def measure(
    servers: Mapping[str, Server],
    scenario: str,
    calls: Calls,
    shapes: Sequence[LoadShape],
    *,
    rounds: int,
    seconds: float,
    on_progress: Callable[[str], object] = lambda _: None,
) -> list[Figure]:
    """Load servers that run.

    Args:
        servers: By name.
        scenario: The name of the calls.
        calls: What to send.
        shapes: Each load.
        rounds: How often each load is made.
        seconds: How long.
        on_progress: Gets a line before each load.

    Returns:
        One figure for each load and server, in this order.
    """
    found: dict[tuple[LoadShape, str], list[RoundFigures]] = {(shape, name): [] for shape in shapes for name in servers}
    for number in range(rounds):
        for shape in shapes:
            # The later ones meet a warmer machine: the order changes.
            for name in servers if number % 2 == 0 else reversed(servers):
                on_progress(f"round {number + 1} of {rounds}: {scenario}, {shape} in flight, {name}")
                found[shape, name].append(measure_once(servers[name], calls, shape, seconds))
    return [Figure.of(name, scenario, shape, of_rounds) for (shape, name), of_rounds in found.items()]


def measure_once(server: Server, calls: Calls, shape: LoadShape, seconds: float) -> RoundFigures:
    """Make one load, and collect its figures."""
    before = _cpu_seconds(server)
    outcome = run_load(server.address, calls, seconds=seconds, **shape.options)
    # The processor time covers the warm-up too.
    calls_made = max(outcome.per_second * (seconds + WARM_UP_SECONDS), 1.0)
    server_us, store_us, generator_us = (
        (now - then) / calls_made * 1e6 for now, then in zip(_cpu_seconds(server), before, strict=True)
    )
    return RoundFigures.of(outcome, server_cpu_us=server_us, store_cpu_us=store_us, generator_cpu_us=generator_us)


def _cpu_seconds(server: Server) -> tuple[float, float, float]:
    """Read the processor time so far: of a server, of its store, and of all generators that have ended."""
    return cpu_seconds(process_tree(server.pid)), cpu_seconds([server.store_pid]), ended_cpu_seconds()
