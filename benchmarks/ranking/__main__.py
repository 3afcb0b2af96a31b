"""``python -m benchmarks.ranking``: Rank with a large catalogue, beside the same server's Score and a Score in C++, in turn.

``rank_100`` ranks 100 candidates that the caller names and returns 20, ``rank_100_k100`` returns all of them, ``rank_found`` ranks
the candidates that Presage finds. One ranking in a hundred is written to the event log, as is the default.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.limit.build import build_servers
from benchmarks.limit.command import service_command
from benchmarks.ranking.calls import SCENARIOS, rank_calls
from benchmarks.ranking.serving import check_ranking, start_ranking, write_rank_calls
from benchmarks.ranking.world import make_world
from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, RoundFigures, figures_table, ratios
from benchmarks.rig.load import Calls
from benchmarks.rig.rig import open_rig
from benchmarks.rig.rounds import measure_once
from benchmarks.rig.serving import Server

__all__ = ["Aim", "aims", "aims_table", "main"]

_CPP, _PRESAGE = "C++", "Presage"
_IN_FLIGHT = (1, 16, 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """A figure that was aimed at."""

    what: str
    found: float
    wanted: float
    at_least: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether what was found is as good as what was wanted."""
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


def main(arguments: list[str] | None = None) -> int:
    """Make the shop, start the servers, load them, and print."""
    parser = load_options("ranking", rounds=5, seconds=2.0)
    parser.add_argument("--items", type=int, default=100_000, help="in the catalogue (default: %(default)s)")
    parser.add_argument("--scenario", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    parser.add_argument("--transport", default="native")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-rank", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    programs = build_servers()
    with open_rig(given.visitors) as rig, console.status("making a shop") as status:
        world = make_world(given.items, end_unix_micros=rig.now_unix_micros)
        status.update("fitting a model, starting servers")
        presage = start_ranking(rig, world, "--transport", given.transport, "--metrics-port", "0")
        cpp_store = rig.start_store(states=world.states)
        cpp = rig.start_program(service_command(programs.service, cpp_store), cpp_store)
        cases = {
            ("score", _CPP): (cpp, rig.write_calls("score")),
            ("score", _PRESAGE): (presage, rig.write_calls("score")),
        }
        for scenario in given.scenario:
            count = check_ranking(presage.address, rank_calls(scenario, world, given.visitors, seed=2))
            console.print(f"{scenario}: {count} rankings looked at")
            cases[scenario, _PRESAGE] = presage, write_rank_calls(rig, world, scenario, given.visitors)
        figures = _measure(given, cases, status.update)
    console.print(figures_table(figures))
    console.print(aims_table(aims(figures)))
    write_json(given.to, [asdict(figure) for figure in figures])
    return FAILED if any(figure.errors for figure in figures if figure.in_flight == 1) else 0


def _measure(
    given: argparse.Namespace,
    cases: Mapping[tuple[str, str], tuple[Server, Calls]],
    on_progress: Callable[[str], object],
) -> list[Figure]:
    """Make each load of each case in each round: the figures of one round are of the same minute."""
    shapes = [LoadShape(in_flight=number) for number in given.in_flight]
    found: dict[tuple[LoadShape, tuple[str, str]], list[RoundFigures]] = {}
    for number in range(given.rounds):
        for shape in shapes:
            for case in cases if number % 2 == 0 else reversed(cases):
                on_progress(f"round {number + 1} of {given.rounds}: {' '.join(case)}, {shape} in flight")
                figures = measure_once(*cases[case], shape, given.seconds)
                found.setdefault((shape, case), []).append(figures)
    return [
        Figure.of(name, scenario, shape, found[shape, (scenario, name)]) for scenario, name in cases for shape in shapes
    ]


def aims(figures: Sequence[Figure]) -> list[Aim]:
    """Compare figures with what was aimed at; those that were not measured are left out."""
    by_case = {(figure.scenario, figure.server, figure.in_flight): figure for figure in figures}
    rank, found = (by_case.get((scenario, _PRESAGE, 1)) for scenario in ("rank_100", "rank_found"))
    floor = by_case.get(("score", _CPP, 1))
    compared: list[Aim] = []
    if rank is not None:
        compared.append(Aim(what="rank_100, 1 in flight: p50 in ms", found=rank.p50_us / 1_000, wanted=1.0))
        compared.append(Aim(what="rank_100, 1 in flight: p99 in ms", found=rank.p99_us / 1_000, wanted=2.0))
        if floor is not None:
            times = median(ratios(rank, floor, "p50_us"))
            compared.append(Aim(what="rank_100, 1 in flight: times the p50 of Score in C++", found=times, wanted=6.0))
    if found is not None:
        compared.append(Aim(what="rank_found, 1 in flight: p50 in ms", found=found.p50_us / 1_000, wanted=2.0))
    rates = [figure.per_second for figure in figures if figure.scenario == "rank_100" and figure.in_flight > 1]
    if rates:
        what = "rank_100, many in flight: calls/s"
        compared.append(Aim(what=what, found=max(rates), wanted=2_500.0, at_least=True))
    return compared


def aims_table(compared: Sequence[Aim]) -> Table:
    """Lay out what was aimed at, and what was found."""
    table = Table(
        "aim", "wanted", "found", "reached", title="aims, on a machine that does nothing else", title_justify="left"
    )
    for aim in compared:
        wanted = f"{'at least' if aim.at_least else 'at most'} {aim.wanted:,g}"
        table.add_row(aim.what, wanted, f"{aim.found:,.3g}", "yes" if aim.is_reached else "no")
    return table


if __name__ == "__main__":
    sys.exit(main())
