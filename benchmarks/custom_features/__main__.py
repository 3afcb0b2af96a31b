"""``python -m benchmarks.custom_features``: what a project's own features cost a server.

Two servers, one with a project of twenty declared features and two in Python, one without, on stores with the same visitors. Each
serves a model of its own features that was trained on the same simulated log. They are loaded in turn, and compared by the server's
processor time for each call. The exit code is 1 if a Score takes more than 1.5 times as much with the features.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.custom_features.attributes import with_attributes
from benchmarks.rig.command import FAILED, load_options, run_benchmark, run_presage, write_json
from benchmarks.rig.in_turn import CallCost, load_in_turn, median_of, ratios_of
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server
from presage_featurizer import MICROS, Event, State
from presage_featurizer.custom import NO_AGGREGATES, Aggregates, read_custom_features
from presage_training.readers.formats.presage_log import write_presage_log
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate

__all__ = ["PROJECT", "main"]

PROJECT = Path(__file__).with_name("project")
"""The project with twenty declared features and two in Python."""

_TRANSPORTS = ("native", "grpcio")
_SCENARIOS = ("score", "track")
_IN_FLIGHT = (16, 64)
_VISITORS, _DAYS = 2_000, 14
_MOST = 1.5
_KIND = "lightgbm-classifier"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    transport: str
    scenario: str
    in_flight: int
    without_micros: float
    """The server's processor time for a call without the features; the median of the rounds."""
    with_micros: float
    ratio: float
    """The median of the rounds' ratios."""


def main(arguments: list[str] | None = None) -> int:
    """Train both models, load both servers, and print the ratios."""
    parser = load_options("custom_features", rounds=7, seconds=1.0)
    parser.add_argument("--transport", nargs="+", choices=_TRANSPORTS, default=list(_TRANSPORTS))
    parser.add_argument("--scenario", nargs="+", choices=_SCENARIOS, default=list(_SCENARIOS))
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-custom-features", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as name, open_rig(given.visitors) as rig:
        folder = Path(name)
        start = rig.now_unix_micros - _DAYS * 86_400 * MICROS
        events = [
            with_attributes(event)
            for event in simulate(seed=1, visitors=_VISITORS, start_unix_micros=start, days=_DAYS)
        ]
        with console.status("training two models"):
            write_presage_log(folder / "log.jsonl", events)
            models = {
                "without": _train(folder, "without", "--features", "conversion"),
                "with": _train(folder, "with", "--project", str(PROJECT)),
            }
        comparisons = []
        with console.status("loading"):
            for transport in given.transport:
                servers = _start(rig, transport, models, events)
                for scenario, in_flight in product(given.scenario, given.in_flight):
                    costs = load_in_turn(servers, rig.write_calls(scenario), in_flight, given)
                    comparisons.append(_compare(transport, scenario, in_flight, costs))
    _print(console, comparisons)
    write_json(given.to, [asdict(comparison) for comparison in comparisons])
    too_slow = [one for one in comparisons if one.scenario == "score" and one.ratio > _MOST]
    for one in too_slow:
        console.print(f"{one.transport}, {one.in_flight} in flight: expected at most {_MOST}, got {one.ratio:.2f}")
    return FAILED if too_slow else 0


def _train(folder: Path, name: str, *features: str) -> Path:
    """Train a model; returns the folder of bundles."""
    models = folder / f"models-{name}"
    log = (str(folder / "log.jsonl"), "--format", "presage")
    places = ("--to", str(folder / f"run-{name}"), "--bundle", str(models / name / "1"))
    run_presage("train", *log, *features, *places, "--models", _KIND, "--draws", "100")
    return models


def _start(rig: Rig, transport: str, models: dict[str, Path], events: Sequence[Event]) -> dict[str, Server]:
    aggregates = {"without": NO_AGGREGATES, "with": read_custom_features(PROJECT).aggregates}
    servers = {}
    for name, folder in models.items():
        url = rig.start_store(states=_states(events, aggregates[name]))
        flags = ("--models", str(folder), "--default-model", name, "--transport", transport, "--metrics-port", "0")
        servers[name] = rig.start_presage(url, *flags, *(("--project", str(PROJECT)) if name == "with" else ()))
    return servers


def _states(events: Sequence[Event], aggregates: Aggregates) -> list[State]:
    replay = Replay(aggregates)
    for event in events:
        replay.fold(event)
    return list(replay.states.values())


def _compare(transport: str, scenario: str, in_flight: int, costs: dict[str, list[CallCost]]) -> _Comparison:
    return _Comparison(
        transport=transport,
        scenario=scenario,
        in_flight=in_flight,
        without_micros=median_of(costs["without"]).cpu,
        with_micros=median_of(costs["with"]).cpu,
        ratio=median_of(ratios_of(costs["with"], costs["without"])).cpu,
    )


def _print(console: Console, comparisons: Sequence[_Comparison]) -> None:
    table = Table(
        *("transport", "calls", "in flight", "CPU µs without", "with 20 + 2", "ratio"),
        title="the server's processor time for a call",
        title_justify="left",
    )
    for one in comparisons:
        table.add_row(
            one.transport,
            one.scenario,
            str(one.in_flight),
            f"{one.without_micros:.1f}",
            f"{one.with_micros:.1f}",
            f"{one.ratio:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
