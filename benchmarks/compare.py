"""``python -m benchmarks.compare --base REVISION``: this checkout against another revision.

The revision is checked out into a temporary folder, and both are measured in turn on one machine, round by round, each with its own
benchmarks and its own server on its own store. What else the machine does affects both alike; the spread of the rounds' ratios
shows the noise that remains.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.rig.checkouts import Checkout, check_imports, checkout_of, run_in, this_checkout
from benchmarks.rig.command import run_benchmark, write_json
from benchmarks.rig.load import Outcome, run_load
from benchmarks.rig.ratios import Comparison, Scenario, compare_rounds, only_in_one
from benchmarks.rig.rig import open_rig

__all__ = ["main"]

_IN_FLIGHT = (1, 16)
_VISITORS = 100_000
_SECONDS = 2.0

Round = dict[Scenario, float]


def main(arguments: list[str] | None = None) -> int:
    """Measure both, and print a table; 2 if there is no such revision, 1 if something cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument("--base", required=True, help="a revision of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", choices=("stages", "wire"), help="the benchmarks of `make bench`, or Score over the wire"
    )
    parser.add_argument("--to", type=Path, help="a file for every round's figures, as JSON")
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error("--rounds: expected at least 1")
    return run_benchmark("bench-compare", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    check_imports(this_checkout())
    rounds: list[tuple[Round, Round]] = [({}, {}) for _ in range(given.rounds)]
    with console.status("starting") as status:
        if given.only != "stages":
            _wire_in_turn(given.base, rounds, status.update)
        if given.only != "wire":
            _stages_in_turn(given.base, rounds, status.update)
    comparisons = compare_rounds(rounds)
    console.print(_table(comparisons, given))
    for where, names in zip((given.base, "this checkout"), only_in_one(rounds), strict=True):
        if names:
            console.print(f"only in {where}: {', '.join(names)}", markup=False)
    write_json(given.to, [_record(one) for one in comparisons])
    return 0


def _stages_in_turn(revision: str, rounds: Sequence[tuple[Round, Round]], on_progress: Callable[[str], object]) -> None:
    with ExitStack() as stack:
        checkouts = (stack.enter_context(checkout_of(revision)), this_checkout())
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-compare-"))) / "stages.json"
        for number, pair in enumerate(rounds):
            for place in _order(number):
                on_progress(f"round {number + 1} of {len(rounds)}: {('base', 'this')[place]}")
                pair[place].update(_stages(checkouts[place], file))


def _wire_in_turn(revision: str, rounds: Sequence[tuple[Round, Round]], on_progress: Callable[[str], object]) -> None:
    with open_rig(_VISITORS) as rig:
        checkouts = (rig.check_out(revision), None)
        # Each on a store that it has filled itself: another version may write states differently.
        servers = [rig.start_presage(rig.start_store(checkout), checkout=checkout) for checkout in checkouts]
        calls = rig.write_calls("score")
        for number, pair in enumerate(rounds):
            for in_flight in _IN_FLIGHT:
                for place in _order(number):
                    on_progress(f"round {number + 1} of {len(rounds)}: {in_flight} in flight")
                    outcome = run_load(servers[place].address, calls, in_flight=in_flight, seconds=_SECONDS)
                    pair[place].update(_wire(in_flight, outcome))


def _order(number: int) -> tuple[int, int]:
    """Order base and this in a round: the second one meets a warmer machine, so they change places."""
    return (0, 1) if number % 2 == 0 else (1, 0)


def _stages(checkout: Checkout, file: Path) -> Round:
    """Run the benchmarks of a checkout; returns their medians."""
    run_in(
        checkout,
        "-m",
        "pytest",
        "benchmarks",
        "--benchmark-only",
        f"--benchmark-json={file}",
        "-q",
        "-p",
        "no:cacheprovider",
    )
    benchmarks = json.loads(file.read_text())["benchmarks"]
    return {Scenario(one["name"], "µs"): one["stats"]["median"] * 1e6 for one in benchmarks}


def _wire(in_flight: int, outcome: Outcome) -> Round:
    if outcome.errors or not outcome.ok.calls:
        raise RuntimeError(
            f"expected every call to be answered, but {outcome.errors} of Score, {in_flight} in flight, were not"
        )
    name = f"Score, {in_flight} in flight"
    return {
        Scenario(f"{name}: calls", "calls/s"): outcome.per_second,
        Scenario(f"{name}: p50", "µs"): outcome.ok.p50_us,
        Scenario(f"{name}: p99", "µs"): outcome.ok.p99_us,
    }


def _table(comparisons: Sequence[Comparison], given: argparse.Namespace) -> Table:
    table = Table(
        Column("scenario", no_wrap=True),
        *("unit", given.base[:16], "this", "ratio", "of the rounds", ""),
        caption=(
            f"medians of {given.rounds} rounds in turn; ratio: this / base, the median of the rounds, smallest and largest. "
            "Marked is what is further from 1 than the rounds are from each other, and than 3 %."
        ),
    )
    for one in comparisons:
        table.add_row(
            one.scenario.name.replace("[", "\\["),
            one.scenario.unit,
            _figure(one.base),
            _figure(one.this),
            f"{one.ratio:.3f}",
            f"{min(one.ratios):.3f} .. {max(one.ratios):.3f}",
            one.verdict,
            style={"better": "green", "worse": "red"}.get(one.verdict),
        )
    return table


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _record(one: Comparison) -> Mapping[str, object]:
    return {
        "scenario": one.scenario.name,
        "unit": one.scenario.unit,
        "base": one.base,
        "this": one.this,
        "ratio": one.ratio,
        "ratios": list(one.ratios),
        "verdict": one.verdict,
    }


if __name__ == "__main__":
    sys.exit(main())
