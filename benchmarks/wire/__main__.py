"""``python -m benchmarks.wire``: how many calls a second, and how long they take, at several loads.

The store, the server and the generator share the machine. Rounds of all configurations go in turn, and medians of the rounds are
printed, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.serving import local_store, presage_process
from benchmarks.wire.calls import SCENARIOS, write_calls
from benchmarks.wire.load import WARM_UP_SECONDS, Outcome, build_load, run_load
from benchmarks.wire.processes import cpu_seconds, process_tree
from benchmarks.wire.visitors import fill_store

__all__ = ["Figure", "main"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Medians over the rounds of one configuration."""

    server: str
    scenario: str
    in_flight: int
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    server_cpu_us: float
    """Processor time of the server for each call."""
    errors: int
    """Of all rounds."""
    spread: float
    """(largest - smallest) / median of the rounds' calls a second."""

    @classmethod
    def of(cls, server: str, scenario: str, in_flight: int, rounds: Sequence[tuple[Outcome, float]]) -> Figure:
        """Take the medians of some rounds; with each goes the server's processor time for a call, in microseconds."""
        outcomes = [outcome for outcome, _ in rounds]
        rates = [outcome.per_second for outcome in outcomes]
        return cls(
            server=server,
            scenario=scenario,
            in_flight=in_flight,
            per_second=median(rates),
            p50_us=median(outcome.ok.p50_us for outcome in outcomes),
            p99_us=median(outcome.ok.p99_us for outcome in outcomes),
            p999_us=median(outcome.ok.p999_us for outcome in outcomes),
            server_cpu_us=median(cpu_us for _, cpu_us in rounds),
            errors=sum(outcome.errors for outcome in outcomes),
            spread=(max(rates) - min(rates)) / max(median(rates), 1e-9),
        )


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire")
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=["score", "track", "mixed_1_4"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--transport", nargs="+", default=["native", "grpcio"])
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)
    console = Console()
    try:
        build_load()
    except RuntimeError as error:
        console.print(f"bench-wire: {error}")
        return 0
    figures = list(_figures(given, console))
    console.print(_table(figures))
    if given.to:
        given.to.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    return 0


def _figures(given: argparse.Namespace, console: Console) -> Iterator[Figure]:
    now = time.time_ns() // 1_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-wire-")))
        url = stack.enter_context(local_store())
        fill_store(url, given.visitors, now)
        scenarios = {
            name: (folder / name, write_calls(name, folder / name, visitors=given.visitors, now_unix_micros=now))
            for name in given.scenario
        }
        workers = ("--workers", str(given.workers)) if given.workers > 1 else ()
        servers = {
            transport: stack.enter_context(presage_process(url, "--transport", transport, *workers))
            for transport in given.transport
        }
        outcomes: dict[tuple[str, str, int], list[tuple[Outcome, float]]] = {}
        with console.status("loading") as status:
            for number in range(given.rounds):
                for scenario, (calls, paths) in scenarios.items():
                    for in_flight in given.in_flight:
                        for server, (address, pid) in servers.items():
                            status.update(f"round {number + 1}: {scenario}, {in_flight} in flight, {server}")
                            before = cpu_seconds(process_tree(pid))
                            outcome = run_load(
                                address,
                                paths,
                                calls,
                                in_flight=in_flight,
                                connections=min(given.connections, in_flight),
                                seconds=given.seconds,
                            )
                            spent = cpu_seconds(process_tree(pid)) - before
                            calls_made = outcome.per_second * (given.seconds + WARM_UP_SECONDS)
                            outcomes.setdefault((server, scenario, in_flight), []).append(
                                (outcome, spent / max(calls_made, 1.0) * 1e6)
                            )
        for (server, scenario, in_flight), rounds in outcomes.items():
            yield Figure.of(server, scenario, in_flight, rounds)


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(
        *("scenario", "in flight", "server", "calls/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "errors", "spread"),
        caption="medians of the rounds; generator, server and store on one machine",
    )
    for one in figures:
        table.add_row(
            one.scenario,
            str(one.in_flight),
            one.server,
            f"{one.per_second:,.0f}",
            f"{one.p50_us:,.0f}",
            f"{one.p99_us:,.0f}",
            f"{one.p999_us:,.0f}",
            f"{one.server_cpu_us:,.0f}",
            str(one.errors),
            f"{one.spread:.0%}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
