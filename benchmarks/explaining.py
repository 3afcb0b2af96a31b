"""``python -m benchmarks.explaining``: what an explanation takes, and what explanations do to the latencies of Score.

First, explanations of simulated visitors by the shipped model, in this process. Then Score at a constant rate, alone and beside 50
Explain a second on a connection of their own, in turn. The exit code is 1 if half of the explanations take more than 2 ms, if a
call fails, or if Score's 99th percentile is more than a tenth larger beside Explain. The server's processor time is that of both.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median

import lightgbm
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.rig.calls import Call, save_calls
from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, RoundFigures, figures_table, ratios
from benchmarks.rig.load import Calls, run_load
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.rounds import measure_once
from benchmarks.rig.serving import Server
from benchmarks.rig.visitors import simulated_states, user_id
from presage.v1 import model_service_pb2
from presage_export.bundle import Bundle, read_bundle
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.exporter import export_model
from presage_featurizer import CONVERSION, featurize

__all__ = ["main", "shipped_bundle"]

_ORIGINAL = Path(__file__).parents[1] / "tests" / "data" / "conversion-3.txt"
_SERVICE = "/presage.v1.ModelService/"
_EXPLANATIONS_PER_SECOND = 50.0
_MOST_MICROS = 2_000.0
_MOST_RATIO = 1.1
_MARGIN_SECONDS = 0.3
_CALLS = 5_000
_PATIENCE_MS = 10_000


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print."""
    parser = load_options("explaining", rounds=7, seconds=4.0)
    parser.add_argument("--rate", type=float, default=2_000.0, help="calls of Score a second (default: %(default)s)")
    parser.add_argument("--transport", default="native")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-explain", lambda console: _run(given, console))


def shipped_bundle(folder: Path, rows: NDArray[np.float32]) -> Bundle:
    """Export the shipped model again into a folder: its trees, with what explanations need."""
    directory = folder / "conversion" / "3"
    booster = lightgbm.Booster(model_file=_ORIGINAL)
    export_model(booster, directory, rows=rows, feature_set=FeatureSetSpec(**CONVERSION.definition), objective="binary")
    return read_bundle(directory)


def _run(given: argparse.Namespace, console: Console) -> int:
    with open_rig(given.visitors) as rig, console.status("exporting") as status:
        rows = np.array([featurize(state, rig.now_unix_micros) for state in simulated_states(rig.now_unix_micros)])
        models = rig.folder / "models"
        half = _explain_here(shipped_bundle(models, rows), rows)
        console.print(f"one explanation by the shipped model, in this process: {half:,.0f} µs (median of {len(rows)})")
        flags = ("--models", str(models), "--metrics-port", "0", "--transport", given.transport)
        server = rig.start_presage(rig.start_store(), *flags)
        calls, explain_calls = rig.write_calls("score"), _write_explain_calls(rig, given.visitors)
        figures = _load(server, calls, explain_calls, given, status.update)
    console.print(figures_table(list(figures.values())))
    write_json(given.to, {"explanation_micros": half, "figures": [asdict(figure) for figure in figures.values()]})
    return _judge(console, half, figures)


def _explain_here(bundle: Bundle, rows: NDArray[np.float32]) -> float:
    """Return the median time of an explanation, in microseconds."""
    bundle.explain(rows[0])  # compiles the paths
    times = []
    for row in rows:
        began = time.perf_counter()
        bundle.explain(row)
        times.append(time.perf_counter() - began)
    return median(times) * 1e6


def _write_explain_calls(rig: Rig, visitors: int) -> Calls:
    def endless() -> Iterator[Call]:
        random = Random(2)
        while True:
            request = model_service_pb2.ExplainRequest(user_id=user_id(random.randrange(visitors)))
            yield "Explain", request.SerializeToString()

    return save_calls(rig.folder / "explain", islice(endless(), _CALLS), service=_SERVICE)


def _load(
    server: Server, calls: Calls, explain_calls: Calls, given: argparse.Namespace, on_progress: object
) -> dict[str, Figure]:
    shape = LoadShape(rate=given.rate)
    found: dict[str, list[RoundFigures]] = {"score": [], "score (Explain)": [], "explain": []}
    for number in range(given.rounds + 1):
        round_figures: dict[str, RoundFigures] = {}
        # The second one meets a warmer machine: they change places.
        for beside in (False, True) if number % 2 else (True, False):
            assert callable(on_progress)
            on_progress(f"round {number} of {given.rounds}: {'beside Explain' if beside else 'alone'}")
            if beside:
                with _explaining(server, explain_calls, given) as outcomes:
                    round_figures["score (Explain)"] = measure_once(server, calls, shape, given.seconds)
                round_figures["explain"] = outcomes[0]
            else:
                round_figures["score"] = measure_once(server, calls, shape, given.seconds)
        if number:  # the first one warms up
            for name, figures in round_figures.items():
                found[name].append(figures)
    shapes = {"explain": LoadShape(rate=_EXPLANATIONS_PER_SECOND)}
    return {name: Figure.of("this checkout", name, shapes.get(name, shape), rounds) for name, rounds in found.items()}


@contextmanager
def _explaining(server: Server, calls: Calls, given: argparse.Namespace) -> Iterator[list[RoundFigures]]:
    """Call Explain during the context; yields a list that has the figures after it."""
    outcomes: list[RoundFigures] = []
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(
            run_load,
            server.address,
            calls,
            rate=_EXPLANATIONS_PER_SECOND,
            seconds=given.seconds + _MARGIN_SECONDS,
            timeout_ms=_PATIENCE_MS,
        )
        yield outcomes
        outcomes.append(RoundFigures.of(load.result()))


def _judge(console: Console, half: float, figures: dict[str, Figure]) -> int:
    alone, beside = figures["score"], figures["score (Explain)"]
    faults = []
    if half > _MOST_MICROS:
        faults.append(f"one explanation: expected at most {_MOST_MICROS:,.0f} µs, got {half:,.0f}")
    for field in ("p50_us", "p99_us", "server_cpu_us"):
        of_rounds = ratios(beside, alone, field)
        ratio = median(of_rounds)
        console.print(
            f"Score beside 50 Explain/s, {field} by that without: {ratio:.3f} (rounds {min(of_rounds):.2f} to {max(of_rounds):.2f})"
        )
        if field == "p99_us" and ratio > _MOST_RATIO:
            faults.append(f"{field}: expected at most {_MOST_RATIO} times that without, got {ratio:.2f}")
    for name, figure in figures.items():
        if figure.errors:
            faults.append(f"{name}: {figure.errors} calls failed")
    for fault in faults:
        console.print(fault)
    return FAILED if faults else 0


if __name__ == "__main__":
    sys.exit(main())
