"""The fuzzers as a command: ``python -m benchmarks.fuzzing requests | bundles | states``; ends with 1 if anything is found.

Every input is drawn from the seed and its own number: ``--first N --count 1`` makes that of number N again, and a run that was
stopped goes on from where it was. Only moments depend on the day: ``--now`` makes those of another one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.fuzzing.bundles.run import fuzz_and_show as fuzz_bundles
from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.report import fuzz_and_show as fuzz_requests
from benchmarks.fuzzing.states.run import fuzz_and_show as fuzz_states
from benchmarks.rig.command import FAILED, run_benchmark

__all__ = ["main"]

_DAY_MICROS = 86_400_000_000
_FUZZERS = {"requests": fuzz_requests, "bundles": fuzz_bundles, "states": fuzz_states}
_COUNTS = {"requests": 1_000_000, "bundles": 100_000, "states": 1_000_000}
_MAX_SHOWN = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz as the command line says; returns the exit code."""
    given = _parser().parse_args(arguments)

    def run(console: Console) -> int:
        findings = Findings(given.to)
        for name in given.what or list(_FUZZERS):
            count = _COUNTS[name] if given.count is None else given.count
            _FUZZERS[name](console, findings, given, count)
        return _show(console, findings)

    return run_benchmark("fuzz", run)


def _parser() -> argparse.ArgumentParser:
    today = time.time_ns() // 1_000 // _DAY_MICROS * _DAY_MICROS
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzzing")
    parser.add_argument("what", nargs="*", choices=[[], *_FUZZERS], help="what is fuzzed (default: all)")
    parser.add_argument("--count", type=int, help=f"inputs (default: {_COUNTS}, the requests for each transport)")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input (default: %(default)s)")
    parser.add_argument(
        "--now", type=int, default=today, help="the moment that inputs are about (default: 0:00 UTC today)"
    )
    parser.add_argument(
        "--transport", choices=("native", "grpcio"), help="for requests (default: both, one after the other)"
    )
    parser.add_argument("--to", type=Path, help="a folder for the inputs that something is wrong with")
    return parser


def _show(console: Console, findings: Findings) -> int:
    if not findings:
        console.print("nothing found")
        return 0
    for kind, times in findings.kinds.most_common():
        console.print(f"FOUND {times:,} times: {kind}", markup=False, highlight=False)
    for example in findings.examples[:_MAX_SHOWN]:
        console.print(f"- {example[:600]}", markup=False, highlight=False, soft_wrap=True)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
