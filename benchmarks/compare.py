"""This checkout against another revision: ``python -m benchmarks.compare --base REVISION``.

The revision is checked out into a temporary folder, and both are measured in turn on one machine, round by round, each with its own
benchmarks and its own server on its own store. What the machine does meanwhile meets both alike; the spread of the rounds' ratios
shows how much of it is left.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.rig.calls import write_calls
from benchmarks.rig.checkouts import (
    Checkout,
    CheckoutError,
    CommandError,
    check_imports,
    checkout_of,
    run_in,
    this_checkout,
)
from benchmarks.rig.load import Outcome, build_load, run_load
from benchmarks.rig.ratios import Comparison, Scenario, compared, only_in_one
from benchmarks.rig.serving import local_store, presage_process

__all__ = ["main"]

_IN_FLIGHT = (1, 16)
_VISITORS = 100_000
_SECONDS = 2.0
_WIDTH_OF_A_FILE = 120
_FILLS = "benchmarks/rig/visitors.py"
_FILL = """
import sys
from benchmarks.rig.visitors import fill_store
fill_store(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""

Round = dict[Scenario, float]


def main(arguments: list[str] | None = None) -> int:
    """Measure both, and print a table; 2 for a revision that is none, 1 if something cannot be measured."""
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
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    try:
        if given.only != "stages":
            build_load()
        with checkout_of(given.base) as base:
            this = this_checkout()
            check_imports(this)
            if given.only != "stages":
                _check_fills(base, given.base)
            rounds = _rounds(base, this, given, console)
    except CheckoutError as error:
        console.print(f"bench-compare: {error}", markup=False)
        return 2
    except (CommandError, RuntimeError) as error:
        console.print(f"bench-compare: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench-compare: stopped; nothing is left of the other checkout")
        return 130
    comparisons = compared(rounds)
    console.print(_table(comparisons, given))
    for where, names in zip((given.base, "this checkout"), only_in_one(rounds), strict=True):
        if names:
            console.print(f"only in {where}: {', '.join(names)}", markup=False)
    if given.to:
        given.to.write_text(json.dumps([_record(one) for one in comparisons], indent=1) + "\n")
    return 0


def _check_fills(checkout: Checkout, revision: str) -> None:
    if not (checkout.folder / _FILLS).exists():
        raise CheckoutError(f"{revision} has no {_FILLS} to fill a store with; take --only stages")


def _rounds(base: Checkout, this: Checkout, given: argparse.Namespace, console: Console) -> list[tuple[Round, Round]]:
    rounds: list[tuple[Round, Round]] = [({}, {}) for _ in range(given.rounds)]
    with console.status("starting") as status, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-compare-")))
        if given.only != "stages":
            status.update("filling the stores")
            now = time.time_ns() // 1_000
            calls = folder / "score"
            paths = write_calls("score", calls, visitors=_VISITORS, now_unix_micros=now)
            addresses = [stack.enter_context(_served(checkout, now)) for checkout in (base, this)]
        for number, pair in enumerate(rounds):
            # The one that goes second meets a warmer machine: they change places.
            for place in (0, 1) if number % 2 == 0 else (1, 0):
                status.update(f"round {number + 1} of {len(rounds)}: {('base', 'this')[place]}")
                if given.only != "wire":
                    pair[place].update(_stages((base, this)[place], folder / "stages.json"))
            for in_flight in _IN_FLIGHT if given.only != "stages" else ():
                for place in (0, 1) if number % 2 == 0 else (1, 0):
                    outcome = run_load(addresses[place], paths, calls, in_flight=in_flight, seconds=_SECONDS)
                    pair[place].update(_wire(in_flight, outcome))
    return rounds


def _stages(checkout: Checkout, file: Path) -> Round:
    """Run the benchmarks of a checkout, and take their medians."""
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


@contextmanager
def _served(checkout: Checkout, now_unix_micros: int) -> Iterator[str]:
    """Serve what a checkout holds, on a store that it has filled itself: another version may write states otherwise."""
    with local_store() as url:
        run_in(checkout, "-c", _FILL, url, str(_VISITORS), str(now_unix_micros))
        with presage_process(url, python=checkout.python, environment=checkout.environment) as (address, _):
            yield address


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
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # also where a shell started this with ctrl-C ignored: the other checkout goes
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
