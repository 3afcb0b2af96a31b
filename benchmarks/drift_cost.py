"""``python -m benchmarks.drift_cost``: what counting served features costs a Score.

Two servers with the same model on stores with the same visitors, one with ``--count-served`` and one without, loaded in turn: the
server's processor time for each call, and the median latency. The exit code is 1 if either is more than 3 % higher, and not by
chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, stdev

from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, load_options, run_benchmark, run_presage, write_json
from benchmarks.rig.in_turn import CallCost, load_in_turn, median_of, ratios_of
from benchmarks.rig.rig import open_rig

__all__ = ["main"]

_IN_FLIGHT = (1, 16, 64)
_MOST = 1.03


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    transport: str
    in_flight: int
    figure: str
    """``cpu`` or ``p50``, both in microseconds."""
    without: float
    """The median of the rounds."""
    counted: float
    ratio: float
    """The median of the rounds' ratios."""
    error: float
    """The standard error of their mean."""


def main(arguments: list[str] | None = None) -> int:
    """Train a model, load both servers, and print the ratios."""
    parser = load_options("drift_cost", rounds=15, seconds=1.0)
    parser.add_argument("--transport", nargs="+", choices=("native", "grpcio"), default=["native"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-drift", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    comparisons: list[_Comparison] = []
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
                    comparisons += [_compare(transport, in_flight, figure, costs) for figure in ("cpu", "p50")]
    _print(console, comparisons)
    write_json(given.to, [asdict(comparison) for comparison in comparisons])
    too_slow = [one for one in comparisons if one.ratio - 2 * one.error > _MOST]
    for one in too_slow:
        console.print(
            f"{one.transport}, {one.in_flight} in flight, {one.figure}: expected at most {_MOST}, got {one.ratio:.3f}"
        )
    return FAILED if too_slow else 0


def _train(folder: Path) -> Path:
    """Train a model on the simulated shop; returns the folder of bundles."""
    places = ("--to", str(folder / "run"), "--bundle", str(folder / "models" / "conversion" / "1"))
    run_presage(
        "train", "--simulate", "--visitors", "2000", "--models", "lightgbm-classifier", "--draws", "100", *places
    )
    return folder / "models"


def _compare(transport: str, in_flight: int, figure: str, costs: dict[str, list[CallCost]]) -> _Comparison:
    plain, counted = costs["without"], costs["counted"]
    ratios = [getattr(ratio, figure) for ratio in ratios_of(counted, plain)]
    return _Comparison(
        transport=transport,
        in_flight=in_flight,
        figure=figure,
        without=getattr(median_of(plain), figure),
        counted=getattr(median_of(counted), figure),
        ratio=median(ratios),
        error=stdev(ratios) / len(ratios) ** 0.5,
    )


def _print(console: Console, comparisons: list[_Comparison]) -> None:
    table = Table(
        *("transport", "in flight", "figure", "µs without", "µs with counts", "ratio"),
        title="Score, with served features counted and without",
        title_justify="left",
    )
    for one in comparisons:
        table.add_row(
            one.transport,
            str(one.in_flight),
            one.figure,
            f"{one.without:.1f}",
            f"{one.counted:.1f}",
            f"{one.ratio:.3f} ± {2 * one.error:.3f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
