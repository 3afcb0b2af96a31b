"""``python -m benchmarks.neighbours``: what large calls do to the latencies of small ones.

Score is measured with 16 in flight, or at a constant rate: alone, and while large calls are in flight all the time, on a connection
of their own: four ScoreBatch of 1,000 visitors, four TrackEvents of 500 events, or both. The server is saturated then. Beside Rank
of 100 candidates, it is not: as many of these are made in a second as are half of what it answers at most.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.ranking.serving import start_ranking, write_rank_calls
from benchmarks.ranking.world import make_world
from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, RoundFigures, figures_table, ratios
from benchmarks.rig.load import Calls, Outcome, run_load
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.rounds import measure_once
from benchmarks.rig.serving import Server

__all__ = ["main"]

_RANK = "rank_100"
_BACKGROUNDS: Mapping[str, Sequence[str]] = {
    "alone": (),
    "ScoreBatch": ("score_batch_1000",),
    "TrackEvents": ("track_events_500",),
    "both": ("score_batch_1000", "track_events_500"),
    "Rank": (_RANK,),
}
_THIS = "this checkout"
_MARGIN_SECONDS = 0.3
"""How much longer than the small calls the large ones are made."""
_PATIENCE_MS = 60_000
"""The deadline of a large call."""
_SATURATING = 16
"""Calls of Rank in flight that saturate a server."""


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = load_options("neighbours", rounds=5, seconds=2.0)
    parser.add_argument("--background", nargs="+", choices=list(_BACKGROUNDS), default=list(_BACKGROUNDS))
    parser.add_argument("--in-flight", type=int, default=16, help="of the small calls")
    parser.add_argument("--rate", type=float, default=0.0, help="small calls a second, instead of a number in flight")
    parser.add_argument("--items", type=int, default=100_000, help="that are ranked (default: %(default)s)")
    parser.add_argument("--large-in-flight", type=int, default=4, help="of each kind of large calls")
    parser.add_argument("--transport", default="native")
    parser.add_argument("--base", help="another revision, which is measured too")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-neighbours", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    found: dict[tuple[str, str], list[RoundFigures]] = {}
    shape = LoadShape(rate=given.rate) if given.rate else LoadShape(in_flight=given.in_flight)
    with open_rig(given.visitors) as rig, console.status("loading") as status:
        calls = {name: rig.write_calls(name) for name in ("score", *_BACKGROUNDS["both"])}
        servers = _start(given, rig, calls)
        rates = {}
        if _RANK in calls:
            rates[_RANK] = _saturation(servers[_THIS], calls[_RANK], given) / 2
            console.print(f"{_RANK}: {rates[_RANK]:,.0f}/s are half of what the server answers")
        for number in range(given.rounds):
            for background in given.background:
                for name, server in servers.items():
                    if background == "Rank" and name != _THIS:
                        continue
                    status.update(f"round {number + 1} of {given.rounds}: {background}, {name}")
                    large = {one: calls[one] for one in _BACKGROUNDS[background]}
                    with _large_calls(server, large, rates, given) as outcomes:
                        figures = measure_once(server, calls["score"], shape, given.seconds)
                    found.setdefault((_title("score", background), name), []).append(figures)
                    for one, outcome in outcomes.items():
                        found.setdefault((_title(one, background), name), []).append(RoundFigures.of(outcome))
    shapes = {"score": shape}
    large_shape = LoadShape(in_flight=given.large_in_flight)
    shapes |= {name: LoadShape(rate=rate) for name, rate in rates.items()}
    figures = [
        Figure.of(name, scenario, shapes.get(scenario.split()[0], large_shape), rounds)
        for (scenario, name), rounds in found.items()
    ]
    console.print(figures_table(figures))
    console.print(_beside_alone(figures))
    write_json(given.to, [asdict(figure) for figure in figures])
    return 0


def _title(scenario: str, background: str) -> str:
    return scenario if background == "alone" else f"{scenario} ({background})"


def _start(given: argparse.Namespace, rig: Rig, calls: dict[str, Calls]) -> dict[str, Server]:
    """Start the servers; the one of this checkout ranks, if wanted, and the calls for that are added."""
    flags = ("--metrics-port", "0", "--transport", given.transport)
    if "Rank" in given.background:
        world = make_world(given.items, end_unix_micros=rig.now_unix_micros)
        calls[_RANK] = write_rank_calls(rig, world, _RANK, given.visitors)
        servers = {_THIS: start_ranking(rig, world, *flags)}
    else:
        servers = {_THIS: rig.start_presage(rig.start_store(), *flags)}
    if given.base:
        checkout = rig.check_out(given.base)
        servers[given.base] = rig.start_presage(rig.start_store(checkout), *flags, checkout=checkout)
    return servers


def _saturation(server: Server, calls: Calls, given: argparse.Namespace) -> float:
    """Measure how many calls a second a server answers at most."""
    return run_load(server.address, calls, in_flight=_SATURATING, seconds=given.seconds).per_second


@contextmanager
def _large_calls(
    server: Server, large: Mapping[str, Calls], rates: Mapping[str, float], given: argparse.Namespace
) -> Iterator[dict[str, Outcome]]:
    """Make large calls of each kind during the context; yields a mapping that has their outcomes after it.

    Args:
        server: Of the calls.
        large: By scenario.
        rates: Calls a second, of the scenarios that are not simply kept in flight.
        given: The options.
    """
    outcomes: dict[str, Outcome] = {}
    options = {"seconds": given.seconds + _MARGIN_SECONDS, "timeout_ms": _PATIENCE_MS}
    with ThreadPoolExecutor(len(_BACKGROUNDS)) as pool:
        loads = {}
        for name, calls in large.items():
            shape = {"rate": rates[name]} if name in rates else {"in_flight": given.large_in_flight}
            loads[name] = pool.submit(run_load, server.address, calls, **shape, **options)
        yield outcomes
        outcomes.update({name: load.result() for name, load in loads.items()})


def _beside_alone(figures: Sequence[Figure]) -> Table:
    """Lay out Score beside large calls as multiples of the same server's Score alone."""
    table = Table(
        *("scenario", "server", "calls/s", "p50", "p99", "p99.9"), title="multiples of alone", title_justify="left"
    )
    alone = {figure.server: figure for figure in figures if figure.scenario == "score"}
    for figure in figures:
        if figure.scenario.startswith("score (") and figure.server in alone:
            fields = ("per_second", "p50_us", "p99_us", "p999_us")
            medians = (median(ratios(figure, alone[figure.server], field)) for field in fields)
            table.add_row(figure.scenario, figure.server, *(f"{one:.2f}" for one in medians))
    return table


if __name__ == "__main__":
    sys.exit(main())
