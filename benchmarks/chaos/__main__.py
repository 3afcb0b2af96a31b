"""``python -m benchmarks.chaos``: makes all faults on both transports, measures durability, and writes docs/reliability.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.chaos.durability import Cost, WaitedFor, measure_costs, measure_waitaof
from benchmarks.chaos.report import make_page
from benchmarks.chaos.run import Outcome, run_fault
from benchmarks.chaos.server_faults import SERVER_FAULTS
from benchmarks.chaos.store_faults import STORE_FAULTS
from benchmarks.chaos.world import Fault
from benchmarks.rig.command import FAILED, USAGE, run_benchmark, write_json

__all__ = ["FAULTS", "main"]

FAULTS: tuple[Fault, ...] = (*STORE_FAULTS, *SERVER_FAULTS)
_TRANSPORTS = ("native", "grpcio")
_PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it as the command line says; returns the exit code: 1 if anything is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--only", default="", help="only faults with this in their name; the page is not written then")
    parser.add_argument("--transport", nargs="+", default=_TRANSPORTS, choices=_TRANSPORTS)
    parser.add_argument(
        "--rounds", type=int, default=3, help="of the measurement of durability; 0: none (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load of it (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=_PAGE, help="the page to write")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON; written after every fault")
    parser.add_argument(
        "--resume", action="store_true", help="take from that file what is as it has to be there already"
    )
    parser.add_argument(
        "--no-make", action="store_true", help="make no further fault: write the page of what the file has"
    )
    given = parser.parse_args(arguments)
    return run_benchmark("chaos", lambda console: asyncio.run(_run(given, console)))


async def _run(given: argparse.Namespace, console: Console) -> int:
    faults = [fault for fault in FAULTS if given.only in fault.name]
    if not faults:
        console.print(f"chaos: no fault has {given.only!r} in its name")
        return USAGE
    known = _read(given.to) if given.resume or given.no_make else {}
    outcomes = []
    for transport, fault in product(given.transport, faults):
        outcome = known.get((transport, fault.name))
        if outcome is None and given.no_make:
            continue
        if outcome is None or not (outcome.holds or given.no_make):
            outcome = await _run_one(fault, transport, console)
        outcomes.append(outcome)
        write_json(given.to, [*map(asdict, outcomes)])
    if not given.only:
        costs, waits = await _durability(given, console)
        given.page.write_text(make_page(outcomes, costs, waits, given.transport[0]))
    broken = [one for one in outcomes if not one.holds]
    console.print(f"{len(outcomes)} faults, {len(broken)} of them not as they have to be")
    return FAILED if broken else 0


def _read(file: Path | None) -> dict[tuple[str, str], Outcome]:
    """Read the outcomes of a run before, by transport and fault."""
    if file is None or not file.exists():
        return {}
    outcomes = msgspec.json.decode(file.read_bytes(), type=list[Outcome])
    return {(one.transport, one.fault): one for one in outcomes}


async def _run_one(fault: Fault, transport: str, console: Console) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="presage-chaos-", ignore_cleanup_errors=True) as folder:
        outcome = await run_fault(fault, transport, Path(folder))
    audit = outcome.audit
    console.print(
        f"{transport} | {fault.name}: {outcome.calls:,} calls, {outcome.ok:,} ok, {outcome.degraded:,} degraded, "
        f"{outcome.rejected:,} rejected, {outcome.failed:,} failed; p99 {outcome.p99_ms or 0:,.0f} ms, "
        f"normal after {outcome.normal_seconds:.1f} s; {audit.lost} lost, {audit.twice} twice, {audit.stale} stale",
        highlight=False,
        markup=False,
    )
    for problem in outcome.problems:
        console.print(f"  NOT AS IT HAS TO BE: {problem}; answers: {outcome.answers}", highlight=False, markup=False)
    return outcome


async def _durability(given: argparse.Namespace, console: Console) -> tuple[list[Cost], list[WaitedFor]]:
    with tempfile.TemporaryDirectory(prefix="presage-chaos-", ignore_cleanup_errors=True) as folder:
        waits = await measure_waitaof(Path(folder) / "waits")
        costs = []
        if given.rounds:
            costs = await measure_costs(Path(folder), given.transport[0], rounds=given.rounds, seconds=given.seconds)
    for cost in costs:
        console.print(
            f"{cost.setting}, {cost.in_flight} in flight: {cost.per_second:,.0f} calls/s, "
            f"p50 {cost.p50_ms:.2f} ms, p99 {cost.p99_ms:.1f} ms",
            highlight=False,
        )
    return costs, waits


if __name__ == "__main__":
    sys.exit(main())
