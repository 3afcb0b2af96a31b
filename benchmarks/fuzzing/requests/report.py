"""The requests' fuzzer as a part of the command: rounds, and a table of statuses."""

from __future__ import annotations

import argparse

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.methods import METHODS
from benchmarks.fuzzing.requests.run import RequestReport, fuzz_requests
from benchmarks.fuzzing.requests.server import make_setting

__all__ = ["fuzz_and_show"]

_PER_ROUND = 25_000


def fuzz_and_show(console: Console, findings: Findings, given: argparse.Namespace, count: int) -> None:
    """Send requests over each transport, and print what was answered."""
    setting = make_setting(given.now)
    for transport in (given.transport,) if given.transport else ("native", "grpcio"):

        def progress(report: RequestReport, done: int) -> None:
            console.print(
                f"{report.transport}: {done:,} of {count:,} requests, {done / report.seconds:,.0f} a second, "
                f"{report.memories_mb[-1]:.0f} MB, {len(findings.kinds)} kinds of findings"
            )

        report = fuzz_requests(
            setting,
            transport,
            seed=given.seed,
            first=given.first,
            count=count,
            per_round=min(_PER_ROUND, count),
            findings=findings,
            on_round=progress,
        )
        console.print(_table(report))
        console.print(
            f"{transport}, seed {given.seed}, from {given.first:,}: {report.tally.requests:,} requests in "
            f"{report.seconds:.0f} s, {report.tally.requests / report.seconds:,.0f} a second; events applied by answers "
            f"{report.tally.applied.total():,}, in the streams {report.streamed:,}; {report.rejected_again:,} rejected requests "
            f"sent again changed nothing; memory {report.memories_mb[0]:.0f} MB after the first round, "
            f"{report.memories_mb[-1]:.0f} MB at the end",
            highlight=False,
        )


def _table(report: RequestReport) -> Table:
    counts = report.tally.statuses
    statuses = sorted({status for _, status in counts}, key=lambda status: (status != "OK", status))
    table = Table("method", *statuses, box=SIMPLE_HEAD)
    for method in METHODS:
        table.add_row(method.name, *(_number(counts[method.name, status]) for status in statuses))
    totals = (sum(counts[method.name, status] for method in METHODS) for status in statuses)
    table.add_row("all", *map(_number, totals))
    return table


def _number(count: int) -> str:
    return f"{count:,}" if count else ""
