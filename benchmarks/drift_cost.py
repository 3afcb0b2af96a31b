"""``python -m benchmarks.drift_cost``: what counting served features costs a Score.

Two servers with the same model on stores with the same visitors, one with ``--count-served`` and one without, loaded in turn: the
server's processor time for each call, and the median latency. The exit code is 1 if either is more than 3 % higher, and not by
chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.rig.command import load_options, run_benchmark, run_presage
from benchmarks.rig.comparisons import Comparison, compare, report
from benchmarks.rig.in_turn import load_in_turn
from benchmarks.rig.rig import open_rig

__all__ = ["main"]

_IN_FLIGHT = (1, 16, 64)


def main(arguments: list[str] | None = None) -> int:
    """Train a model, load both servers, and print the ratios."""
    parser = load_options("drift_cost", rounds=15, seconds=1.0)
    parser.add_argument("--transport", nargs="+", choices=("native", "grpcio"), default=["native"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-drift", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as name, open_rig(given.visitors) as rig:
        with console.status("training a model"):
            models = _train(Path(name))
        with console.status("loading"):
            for transport in given.transport:
                servers = {
                    way: rig.start_presage(
                        rig.start_store(),
                        *("--models", str(models), "--transport", transport, "--metrics-port", "0"),
                        f"--{'' if way == 'counted' else 'no-'}count-served",
                    )
                    for way in ("without", "counted")
                }
                for in_flight in given.in_flight:
                    costs = load_in_turn(servers, rig.write_calls("score"), in_flight, given)
                    comparisons += [
                        compare(transport, in_flight, figure, costs, base="without", other="counted")
                        for figure in ("cpu", "p50")
                    ]
    return report(
        console,
        comparisons,
        given.to,
        title="Score, with served features counted and without",
        columns=("without", "with counts"),
    )


def _train(folder: Path) -> Path:
    """Train a model on the simulated shop; returns the folder of bundles."""
    places = ("--to", str(folder / "run"), "--bundle", str(folder / "models" / "conversion" / "1"))
    run_presage(
        "train", "--simulate", "--visitors", "2000", "--models", "lightgbm-classifier", "--draws", "100", *places
    )
    return folder / "models"


if __name__ == "__main__":
    sys.exit(main())
