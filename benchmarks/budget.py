"""``python -m benchmarks.budget``: whether Score has become slower than it may be.

Times cannot be compared between machines, or between two moments on one. So Score is measured in turn with an echo of the same
transport, and their ratio is limited: of calls a second and of the server's processor time for a call at 16 in flight, and of p99
at 1 in flight. The ratios that were found, and how far a run may be from them, are in budget.json; ``--record`` measures
them again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.rig.command import FAILED, run_benchmark
from benchmarks.rig.load import Outcome, run_load
from benchmarks.rig.processes import cpu_seconds
from benchmarks.rig.rig import open_rig
from benchmarks.rig.serving import Server

__all__ = ["Limit", "broken", "limits_of", "main"]

_FILE = Path(__file__).with_name("budget.json")
_TRANSPORTS = ("native", "grpcio")
_VISITORS = 20_000
_LEAST_TOLERANCE = 0.1
_RUNS = 20
_COMMENT = (
    "Score's figures over those of an echo of the same transport, measured in turn: calls a second and the server's processor time "
    "for each call at 16 in flight, p99 at 1 in flight. 'ratio' is the median of the runs, 'lowest' and 'highest' their spread. "
    "'tolerance', a share of the ratio, is one and a half times the largest deviation of a run from the median, and at least "
    f"{_LEAST_TOLERANCE:g}. 'load_average' is the median of what it was before each run: on a busy machine tolerances are wide. "
    "Written by: python -m benchmarks.budget --record"
)

Ratios = Mapping[str, float]
"""Score over the echo, by ``<transport>.<figure>``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Load:
    outcome: Outcome
    cpu_seconds: float
    """Of the server."""


@dataclass(frozen=True, slots=True)
class _Figure:
    in_flight: int
    of: Callable[[_Load], float]
    more_is_better: bool = False


_FIGURES: Mapping[str, _Figure] = {
    "calls_per_second": _Figure(16, lambda load: load.outcome.per_second, more_is_better=True),
    "processor_time": _Figure(16, lambda load: load.cpu_seconds / load.outcome.ok.calls),
    "p99": _Figure(1, lambda load: load.outcome.ok.p99_us),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What was found of one ratio, and what is allowed."""

    ratio: float
    lowest: float
    highest: float
    tolerance: float

    def allowed(self, *, more_is_better: bool) -> float:
        """Compute the worst ratio that passes."""
        return self.ratio * (1 - self.tolerance if more_is_better else 1 + self.tolerance)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and compare or record; 1 if a ratio is worse than allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget")
    parser.add_argument("--record", action="store_true", help="measure the ratios again, and write them")
    parser.add_argument("--runs", type=int, default=_RUNS, help="how many runs to record from")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each load")
    parser.add_argument("--to", type=Path, default=_FILE, help="where the ratios are, or go")
    given = parser.parse_args(arguments)
    return run_benchmark("budget", lambda console: _record(given, console) if given.record else _check(given, console))


def _check(given: argparse.Namespace, console: Console) -> int:
    try:
        stored = json.loads(given.to.read_text())["ratios"]
    except OSError as error:
        raise RuntimeError(str(error)) from error
    limits = {name: Limit(**limit) for name, limit in stored.items()}
    sentences = broken(_measure(given, console), limits)
    for sentence in sentences:
        console.print(f"budget: {sentence}", soft_wrap=True)
    return FAILED if sentences else 0


def limits_of(runs: Sequence[Ratios]) -> dict[str, Limit]:
    """Derive limits from the ratios of some runs."""
    limits = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        middle = median(values)
        furthest = max(abs(value / middle - 1) for value in values)
        limits[name] = Limit(
            ratio=round(middle, 3),
            lowest=round(min(values), 3),
            highest=round(max(values), 3),
            tolerance=max(_LEAST_TOLERANCE, math.ceil(150 * furthest) / 100),
        )
    return limits


def broken(ratios: Ratios, limits: Mapping[str, Limit]) -> list[str]:
    """Describe each ratio that is worse than allowed in one sentence.

    Args:
        ratios: What was measured.
        limits: What is stored; a ratio without one is ignored.
    """
    sentences = []
    for name, limit in limits.items():
        transport, _, figure = name.partition(".")
        what, found = _FIGURES[figure], ratios[name]
        allowed = limit.allowed(more_is_better=what.more_is_better)
        if found < allowed if what.more_is_better else found > allowed:
            sentences.append(
                f"with {transport}, Score's {figure.replace('_', ' ')} at {what.in_flight} in flight is {found:.3f} of the echo's, "
                f"and {'at least' if what.more_is_better else 'at most'} {allowed:.3f} is allowed "
                f"({limit.ratio:.3f} was found, and {limit.tolerance:.0%} is left for noise)"
            )
    return sentences


def _measure(given: argparse.Namespace, console: Console) -> Ratios:
    """Take the median of the rounds' ratios, and print them."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for name, score, echo in _rounds(given.rounds, given.seconds):
        pairs.setdefault(name, []).append((score, echo))
    medians = {name: median(score / echo for score, echo in some) for name, some in pairs.items()}
    console.print("  ".join(f"{name} {ratio:.3f}" for name, ratio in medians.items()), soft_wrap=True)
    return medians


def _rounds(rounds: int, seconds: float) -> Iterator[tuple[str, float, float]]:
    """Load all servers in turn; yields a ratio's name, Score's figure and the echo's."""
    with open_rig(_VISITORS) as rig:
        url = rig.start_store()
        calls = rig.write_calls("score")
        servers: dict[tuple[str, str], Server] = {}
        for transport in _TRANSPORTS:
            echo = (sys.executable, "-m", "benchmarks.echo", "--transport", transport)
            servers[transport, "presage"] = rig.start_presage(url, "--transport", transport)
            servers[transport, "echo"] = rig.start_program(echo, url)

        def load(transport: str, name: str, in_flight: int) -> _Load:
            server = servers[transport, name]
            before = cpu_seconds([server.pid])
            # Without a warm-up, so that the processor time is that of the calls that are counted.
            outcome = run_load(server.address, calls, seconds=seconds, warm_up_seconds=0.0, in_flight=in_flight)
            if outcome.errors or not outcome.ok.calls:
                raise RuntimeError(
                    f"expected every call to be answered, but {outcome.errors} over {transport} were not"
                )
            return _Load(outcome=outcome, cpu_seconds=cpu_seconds([server.pid]) - before)

        for number in range(rounds + 1):
            for transport, in_flight in product(
                _TRANSPORTS, sorted({figure.in_flight for figure in _FIGURES.values()})
            ):
                # The second one meets a warmer machine: they change places.
                order = ("presage", "echo") if number % 2 else ("echo", "presage")
                loads = {server: load(transport, server, in_flight) for server in order}
                for name, figure in _FIGURES.items():
                    if figure.in_flight == in_flight and number:  # the first round warms up
                        yield f"{transport}.{name}", figure.of(loads["presage"]), figure.of(loads["echo"])


def _record(given: argparse.Namespace, console: Console) -> int:
    runs, busy = [], []
    for _ in range(given.runs):
        busy.append(os.getloadavg()[0])
        runs.append(_measure(given, console))
    recorded = {
        "comment": _COMMENT,
        "how": {
            "runs": given.runs,
            "rounds": given.rounds,
            "seconds": given.seconds,
            "load_average": round(median(busy), 1),
            "machine": f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}",
        },
        "ratios": {name: asdict(limit) for name, limit in limits_of(runs).items()},
    }
    given.to.write_text(json.dumps(recorded, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
