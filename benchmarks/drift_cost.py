"""``python -m benchmarks.drift_cost``: what counting served features costs a Score.

Two servers with the same model on stores with the same visitors, one with ``--count-served`` and one without, loaded in turn: the
server's processor time for each call, and the median latency. The exit code is 1 if either is more than 3 % higher, and not by
chance.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median, stdev

from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.load import Calls, run_load
from benchmarks.rig.processes import cpu_seconds
from benchmarks.rig.rig import open_rig
from benchmarks.rig.serving import Server

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
                    figures = _measure(servers, rig.write_calls("score"), in_flight, given)
                    comparisons += [_compare(transport, in_flight, figure, figures) for figure in ("cpu", "p50")]
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
    presage = Path(sysconfig.get_path("scripts"), "presage")
    places = ("--to", str(folder / "run"), "--bundle", str(folder / "models" / "conversion" / "1"))
    done = subprocess.run(
        [
            presage,
            "train",
            "--simulate",
            "--visitors",
            "2000",
            "--models",
            "lightgbm-classifier",
            "--draws",
            "100",
            *places,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"presage train failed: {done.stderr.strip()}")
    return folder / "models"


def _measure(
    servers: dict[str, Server], calls: Calls, in_flight: int, given: argparse.Namespace
) -> dict[tuple[str, str], list[float]]:
    """Load both servers in turn; returns the figures of each round, by figure and way."""
    found: dict[tuple[str, str], list[float]] = {pair: [] for pair in product(("cpu", "p50"), servers)}
    for number in range(given.rounds + 1):
        # The second one meets a warmer machine: they change places.
        for way in sorted(servers, reverse=bool(number % 2)):
            server = servers[way]
            before = cpu_seconds([server.pid])
            outcome = run_load(server.address, calls, seconds=given.seconds, warm_up_seconds=0.0, in_flight=in_flight)
            if outcome.errors or not outcome.ok.calls:
                raise RuntimeError(f"expected every call to be answered, but {outcome.errors} were not")
            if number:  # the first round warms up
                found["cpu", way].append((cpu_seconds([server.pid]) - before) * 1e6 / outcome.ok.calls)
                found["p50", way].append(outcome.ok.p50_us)
    return found


def _compare(transport: str, in_flight: int, figure: str, found: dict[tuple[str, str], list[float]]) -> _Comparison:
    plain, counted = found[figure, "without"], found[figure, "counted"]
    ratios = [own / other for own, other in zip(counted, plain, strict=True)]
    return _Comparison(
        transport=transport,
        in_flight=in_flight,
        figure=figure,
        without=median(plain),
        counted=median(counted),
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
