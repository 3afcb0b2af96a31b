"""``python -m benchmarks.wire``: calls a second and latencies at several loads, with each transport, in turn.

The store, the server and the generator share the machine.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from rich.console import Console

from benchmarks.rig.calls import SCENARIOS
from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, figures_table
from benchmarks.rig.rig import open_rig
from benchmarks.rig.rounds import measure

__all__ = ["main"]

_SCENARIOS = ("score", "track", "track_score", "score_batch_100", "score_vectors_1", "score_vectors_100", "mixed_1_4")
_RATE_CONNECTIONS = 4


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = load_options("wire", rounds=5, seconds=2.0)
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(_SCENARIOS))
    parser.add_argument(
        "--in-flight", nargs="*", type=int, default=[1, 4, 16, 64], help="calls at once in closed loops"
    )
    parser.add_argument("--rate", nargs="*", type=float, default=[], help="calls a second of loads at constant rates")
    parser.add_argument("--transport", nargs="+", default=["native", "grpcio"])
    parser.add_argument("--connections", type=int, default=1, help="of closed loops, at most")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(arguments)
    return run_benchmark("bench-wire", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    shapes = [
        *(LoadShape(in_flight=number, connections=min(given.connections, number)) for number in given.in_flight),
        *(LoadShape(rate=rate, connections=_RATE_CONNECTIONS) for rate in given.rate),
    ]
    figures: list[Figure] = []
    with open_rig(given.visitors) as rig, console.status("loading") as status:
        url = rig.start_store()
        workers = ("--workers", str(given.workers)) if given.workers > 1 else ()
        servers = {name: rig.start_presage(url, "--transport", name, *workers) for name in given.transport}
        for scenario in given.scenario:
            figures += measure(
                servers,
                scenario,
                rig.write_calls(scenario),
                shapes,
                rounds=given.rounds,
                seconds=given.seconds,
                on_progress=status.update,
            )
    console.print(figures_table(figures))
    write_json(given.to, [asdict(figure) for figure in figures])
    return 0


if __name__ == "__main__":
    sys.exit(main())
