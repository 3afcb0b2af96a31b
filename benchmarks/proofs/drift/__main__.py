"""The proof as a command: ``python -m benchmarks.proofs.drift``; ends with 1 if a shift is not found, or an alarm is false."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.drift.proof import Outcome, Plan, run
from benchmarks.proofs.drift.shifts import SHIFTS
from presage_export.drift import MIN_VISITORS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.drift")
    parser.add_argument("--visitors-a-day", type=int, default=2400, help="new ones; each stays for four weeks")
    parser.add_argument("--min-visitors", type=int, default=MIN_VISITORS, help="of a window")
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args(arguments)
    console = Console(emoji=False, markup=False, highlight=False)
    table = Table(
        "planted", "alarm after", "columns with an alarm, the largest first", "as it should be", box=SIMPLE_HEAD
    )
    began = perf_counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for outcome in run(
            Plan(visitors_a_day=given.visitors_a_day, min_visitors=given.min_visitors, seed=given.seed),
            SHIFTS,
            Path(folder),
        ):
            if not outcome.columns:
                days = (outcome.windows[-1].end_unix_micros - outcome.windows[0].start_unix_micros) / 86_400e6
                console.print(
                    f"quiet: {outcome.rows:,} rows in {days:.0f} days, {len(outcome.windows)} windows, "
                    f"{sum(window.visitors for window in outcome.windows) / len(outcome.windows):.0f} visitors each"
                )
            wrong += not outcome.is_right
            table.add_row(
                outcome.name,
                "" if outcome.hours is None else f"{outcome.hours:.0f} h",
                _columns(outcome),
                "yes" if outcome.is_right else "no",
            )
    console.print(table)
    console.print(f"{len(SHIFTS)} shifts, {wrong} wrong; {perf_counter() - began:.0f} s")
    return 1 if wrong else 0


def _columns(outcome: Outcome) -> str:
    names = list(dict.fromkeys(alarm.column for alarm in outcome.alarms))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


if __name__ == "__main__":
    sys.exit(main())
