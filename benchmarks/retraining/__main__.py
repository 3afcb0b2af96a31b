"""``python -m benchmarks.retraining``: what ``presage learn`` beside a server does to the latencies of Score.

Score at a constant rate, and at half of what the server answers at most, alone and while ``presage learn`` reads an archive of
simulated visitors, trains, and hands version after version over to the server. Learning is paused for the loads without it, so that
both are made in turn, round by round, in one run. The exit code is 1 if a call fails, if no version is handed over, or if a 99th
percentile is more than half as long again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.retraining.learning import Learning, Training, prepare, repeated_learning
from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, RoundFigures, figures_table, ratios
from benchmarks.rig.load import Calls, run_load
from benchmarks.rig.rig import open_rig
from benchmarks.rig.rounds import measure_once
from benchmarks.rig.serving import Server

__all__ = ["main"]

_ALONE, _BESIDE = "alone", "retraining"
_SATURATING = 64
"""Calls in flight that saturate a server."""
_MOST_RATIO = 1.5
_FIELDS = {"p50_us": "p50", "p99_us": "p99", "p999_us": "p99.9", "server_cpu_us": "server CPU"}


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print."""
    parser = load_options("retraining", rounds=7, seconds=2.0)
    parser.add_argument("--rate", type=float, default=1_000.0, help="calls of Score a second (default: %(default)s)")
    parser.add_argument("--learn-from", type=int, default=2_000, help="visitors in the archive (default: %(default)s)")
    parser.add_argument("--same-session", action="store_true", help="learn in the server's session, as from one script")
    parser.add_argument("--transport", default="native")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-learn", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    with open_rig(given.visitors) as rig, console.status("loading"):
        archive, models = prepare(rig.folder, visitors=given.learn_from, now_unix_micros=rig.now_unix_micros)
        flags = (
            "--models",
            str(models),
            "--reload-seconds",
            "0.2",
            "--metrics-port",
            "0",
            "--transport",
            given.transport,
        )
        server = rig.start_presage(rig.start_store(), *flags)
        calls = rig.write_calls("score")
        half = run_load(server.address, calls, in_flight=_SATURATING, seconds=given.seconds).per_second / 2
        shapes = [LoadShape(rate=given.rate), LoadShape(rate=half)]
        with repeated_learning(archive, models, own_session=not given.same_session) as learning:
            figures = _measure(server, calls, learning, shapes, given)
            trainings = learning.trainings()
    console.print(figures_table(figures))
    faults = _judge(console, figures, trainings)
    write_json(
        given.to,
        {
            "figures": [asdict(figure) for figure in figures],
            "trainings": [asdict(training) for training in trainings],
        },
    )
    for fault in faults:
        console.print(fault)
    return FAILED if faults else 0


def _measure(
    server: Server, calls: Calls, learning: Learning, shapes: Sequence[LoadShape], given: argparse.Namespace
) -> list[Figure]:
    """Load the server alone and beside learning, in turn; returns both for each load, in this order."""
    found: dict[tuple[LoadShape, str], list[RoundFigures]] = {
        (shape, way): [] for shape in shapes for way in (_ALONE, _BESIDE)
    }
    for number in range(given.rounds + 1):
        for shape in shapes:
            # The second one meets a warmer machine: they change places.
            for way in sorted((_ALONE, _BESIDE), reverse=bool(number % 2)):
                with learning.going_on() if way == _BESIDE else nullcontext():
                    figures = measure_once(server, calls, shape, given.seconds)
                if number:  # the first round warms up
                    found[shape, way].append(figures)
    return [Figure.of(way, "score", shape, rounds) for (shape, way), rounds in found.items()]


def _judge(console: Console, figures: Sequence[Figure], trainings: Sequence[Training]) -> list[str]:
    """Print what learning does to Score, and return what it must not do."""
    table = Table("load", *_FIELDS.values(), title="beside retraining, as multiples of without", title_justify="left")
    faults = []
    for alone, beside in zip(figures[::2], figures[1::2], strict=True):
        multiples = {field: median(ratios(beside, alone, field)) for field in _FIELDS}
        table.add_row(alone.load, *(f"{multiple:.2f}" for multiple in multiples.values()))
        if multiples["p99_us"] > _MOST_RATIO:
            got = f"{multiples['p99_us']:.2f}"
            faults.append(f"{alone.load}: p99: expected at most {_MOST_RATIO} times that without retraining, got {got}")
        faults += [
            f"{figure.load}, {figure.server}: {figure.errors} calls failed"
            for figure in (alone, beside)
            if figure.errors
        ]
    console.print(table)
    if trainings:
        memory = max(one.peak_mb for one in trainings)
        console.print(
            f"versions that were trained and handed over: {len(trainings)}; their processes took at most {memory:,.0f} MB"
        )
    else:
        faults.append("no version was handed over: give more --rounds or --seconds")
    return faults


if __name__ == "__main__":
    sys.exit(main())
