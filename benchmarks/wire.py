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
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.rig.calls import SCENARIOS, write_calls
from benchmarks.rig.figures import Figure, figures_console, figures_table
from benchmarks.rig.load import build_load
from benchmarks.rig.processes import store_process
from benchmarks.rig.rounds import measure
from benchmarks.rig.serving import local_store, presage_process
from benchmarks.rig.visitors import fill_store

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire")
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument(
        "--in-flight", nargs="*", type=int, default=[1, 4, 16, 64], help="calls at once in closed loops"
    )
    parser.add_argument("--rate", nargs="*", type=float, default=[], help="calls a second of loads at constant rates")
    parser.add_argument("--transport", nargs="+", default=["native", "grpcio"])
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)
    console = figures_console()
    try:
        build_load()
    except RuntimeError as error:
        console.print(f"bench-wire: {error}")
        return 0
    figures = _figures(given, console)
    console.print(figures_table(figures))
    if given.to:
        given.to.parent.mkdir(parents=True, exist_ok=True)
        given.to.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    return 0


def _figures(given: argparse.Namespace, console: Console) -> list[Figure]:
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
        status = stack.enter_context(console.status("loading"))
        return measure(
            servers,
            scenarios,
            store_pid=store_process(url),
            in_flight=given.in_flight,
            rates=given.rate,
            rounds=given.rounds,
            seconds=given.seconds,
            connections=given.connections,
            tell=status.update,
        )


if __name__ == "__main__":
    sys.exit(main())
