"""The tables of a run, and the same as JSON, from which plots can be made."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from itertools import groupby
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.peers.environments import installed_versions
from benchmarks.peers.generator import Measured
from benchmarks.peers.peer import Peer, Task
from benchmarks.peers.presage_itself import OURS
from benchmarks.peers.rounds import Key, Outcome

__all__ = ["Row", "print_report", "rows_of", "write_json"]

_TITLES = {
    Task.SCORE: "score of one visitor",
    Task.VECTOR: "score of one vector, no store",
    Task.FEATURES: "the 20 features of one visitor",
    Task.FEATURES_100: "the 20 features of each of 100 visitors",
    Task.RANK: "the best 20 of 100 items for one visitor",
}
_WIDTH = 175


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Medians over the rounds of one case with one number of calls in flight."""

    task: Task
    peer: str
    variant: str
    in_flight: int
    per_second: float
    p50_us: float
    p99_us: float
    server_cpu_us: float
    errors: int
    """Of all rounds."""
    rounds: int
    """How many there were: fewer than requested where a peer failed."""
    spread: float
    """(largest - smallest) / median of the rounds' calls a second."""

    @property
    def ours(self) -> bool:
        """Whether it is Presage's."""
        return self.peer.startswith(OURS)

    @classmethod
    def of(cls, key: Key, rounds: Sequence[Measured]) -> Row:
        """Take the medians of some rounds with as many calls in flight."""
        rates = [one.per_second for one in rounds]
        return cls(
            task=key.task,
            peer=key.peer,
            variant=key.variant,
            in_flight=rounds[0].in_flight,
            per_second=median(rates),
            p50_us=median(one.p50_us for one in rounds),
            p99_us=median(one.p99_us for one in rounds),
            server_cpu_us=median(one.server_cpu_us for one in rounds),
            errors=sum(one.errors for one in rounds),
            rounds=len(rounds),
            spread=(max(rates) - min(rates)) / max(median(rates), 1e-9),
        )


def rows_of(outcome: Outcome) -> list[Row]:
    """Sum up a run: by task, then in the order of measuring, then by calls in flight."""
    rows = []
    for key, measured in sorted(outcome.measured.items(), key=lambda item: list(Task).index(item[0].task)):
        by_level: dict[int, list[Measured]] = {}
        for one in measured:
            by_level.setdefault(one.in_flight, []).append(one)
        rows += [Row.of(key, by_level[level]) for level in sorted(by_level)]
    return rows


def print_report(outcome: Outcome, peers: Sequence[Peer], rounds: int, console: Console | None = None) -> None:
    """Print a table for each task, then what peers do otherwise, then what could not be measured."""
    console = console or Console(width=_WIDTH)
    for task, rows in groupby(rows_of(outcome), key=lambda row: row.task):
        console.print(_table(task, list(rows), rounds))
    for what, which in _differences(outcome, peers).items():
        console.print(f"{'; '.join(which)}: {what}", style="dim")
    for name, reason in outcome.failures.items():
        console.print(f"[bold]{name}: NOT MEASURED to the end[/bold], {escape(reason)}")


def write_json(path: Path, outcome: Outcome, peers: Sequence[Peer], how: Mapping[str, object]) -> None:
    """Write every row, and what was compared."""
    whole = {
        "machine": {"processor": _processor(), "python": platform.python_version(), "system": platform.platform()},
        "how": dict(how),
        "peers": {peer.name: {"what": peer.what, "versions": _versions(peer)} for peer in peers},
        "failures": outcome.failures,
        "rows": [asdict(row) for row in rows_of(outcome)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1) + "\n")


def _differences(outcome: Outcome, peers: Sequence[Peer]) -> dict[str, list[str]]:
    """List what differs from Presage in what was measured, and where."""
    found: dict[str, list[str]] = {}
    for peer in peers:
        for case in peer.cases:
            if case.differs and outcome.measured.get(Key(case.task, peer.name, case.variant)):
                found.setdefault(case.differs, []).append(f"{_label(peer.name, case.variant)} ({case.task})")
    return found


def _table(task: Task, rows: Sequence[Row], rounds: int) -> Table:
    levels = sorted({row.in_flight for row in rows})
    title = (
        f"{_TITLES[task]}: calls/s, p50 / p99 in µs, the server's processor time for a call in µs,"
        f" and how many times the calls/s of it Presage makes; medians of {rounds} rounds"
    )
    table = Table("", *(f"{level} in flight" for level in levels), "errors", title=title, title_justify="left")
    best = {
        level: max((row.per_second for row in rows if row.ours and row.in_flight == level), default=0.0)
        for level in levels
    }
    for (peer, variant), some in groupby(rows, key=lambda row: (row.peer, row.variant)):
        by_level = {row.in_flight: row for row in some}
        cells = [_cell(by_level.get(level), best[level]) for level in levels]
        errors = sum(row.errors for row in by_level.values())
        table.add_row(_label(peer, variant), *cells, f"{errors:,}", style="bold" if peer.startswith(OURS) else "")
    return table


def _cell(row: Row | None, ours: float) -> str:
    if row is None:
        return "-"
    text = f"{row.per_second:,.0f}/s  {row.p50_us:,.0f} / {row.p99_us:,.0f}  {row.server_cpu_us:,.0f}"
    return text if row.ours or not ours or not row.per_second else f"{text}  x{ours / row.per_second:.2f}"


def _label(peer: str, variant: str) -> str:
    return f"{peer}, {variant}" if variant else peer


def _versions(peer: Peer) -> dict[str, str]:
    if not peer.name.startswith(OURS):
        return installed_versions(peer)
    return dict(sorted((found.name, found.version) for found in distributions()))


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
