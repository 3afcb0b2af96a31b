"""``python -m benchmarks.slow_store``: Score and TrackEvent with a store that is a network away, for this checkout and another.

A proxy in front of the store makes each round trip longer by a fixed time. Round trips may overlap: nothing limits how much is on
its way.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from rich.console import Console

from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, figures_table, ratios_table
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.rounds import measure
from benchmarks.rig.serving import Server

__all__ = ["main"]

_FLAGS = ("--metrics-port", "0")


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = load_options("slow_store", rounds=3, seconds=2.0)
    parser.add_argument("--scenario", nargs="+", default=["score", "track"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument(
        "--round-trip-ms",
        nargs="+",
        type=float,
        default=[0.0, 0.5, 1.0, 2.0],
        help="added to each round trip to the store",
    )
    parser.add_argument("--transport", default="native")
    parser.add_argument("--base", help="another revision, which is measured too")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-slow-store", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    figures: list[Figure] = []
    with open_rig(given.visitors) as rig, console.status("loading") as status:
        servers = _start(given, rig)
        shapes = [LoadShape(in_flight=number) for number in given.in_flight]
        for scenario in given.scenario:
            calls = rig.write_calls(scenario)
            for milliseconds in given.round_trip_ms:
                figures += measure(
                    servers[milliseconds],
                    f"{scenario}, {milliseconds:g} ms",
                    calls,
                    shapes,
                    rounds=given.rounds,
                    seconds=given.seconds,
                    on_progress=status.update,
                )
    console.print(figures_table(figures))
    if given.base and (table := ratios_table(figures, given.base)):
        console.print(table)
    write_json(given.to, [asdict(figure) for figure in figures])
    return 0


def _start(given: argparse.Namespace, rig: Rig) -> dict[float, dict[str, Server]]:
    """Start a server of each revision for each delay; those of one revision share a store."""
    revisions = {"this checkout": None} | ({given.base: rig.check_out(given.base)} if given.base else {})
    urls = {name: rig.start_store(checkout) for name, checkout in revisions.items()}
    flags = (*_FLAGS, "--transport", given.transport)
    return {
        milliseconds: {
            name: rig.start_presage(
                urls[name],
                *flags,
                checkout=checkout,
                reached_by=rig.start_delay(urls[name], round(1_000 * milliseconds)) if milliseconds else "",
            )
            for name, checkout in revisions.items()
        }
        for milliseconds in given.round_trip_ms
    }


if __name__ == "__main__":
    sys.exit(main())
