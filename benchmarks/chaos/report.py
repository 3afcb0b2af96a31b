"""The page of the documentation that a run writes, whole."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from string import Template

from benchmarks.chaos.durability import Cost, WaitedFor
from benchmarks.chaos.run import Outcome

__all__ = ["make_page"]

_PAGE = Path(__file__).with_name("page.md")
_COLUMNS = ("fault", "calls", "ok", "degraded", "rejected", "failed", "p99", "normal after", "lost", "twice", "stale")
_EARLY = (
    "While an fsync took a second, Valkey said {times} that a write was on disk: with `everysec` it does not wait for the sync, "
    "which Redis [fixed in 8.0](https://github.com/redis/redis/pull/13793). With `always`, there is nothing left to wait for."
)
_LATE = (
    "While an fsync took a second, it came {times}: with `everysec` it waits for the next sync, which makes an event too late for "
    "most callers. With `always`, there is nothing left to wait for."
)


def make_page(outcomes: Sequence[Outcome], costs: Sequence[Cost], waits: Sequence[WaitedFor], transport: str) -> str:
    """Fill in the page.

    Args:
        outcomes: Of all faults, those of a transport together.
        costs: What durability costs.
        waits: What WAITAOF waits for.
        transport: That the costs are of.
    """
    names = list(dict.fromkeys(one.fault for one in outcomes))
    tables = []
    for name, rows in groupby(outcomes, key=lambda outcome: outcome.transport):
        made = list(rows)
        missing = [fault for fault in names if fault not in {one.fault for one in made}]
        tables.append(f"### Transport `{name}`\n\n{_table(_COLUMNS, [_row(one) for one in made])}")
        if missing:
            tables.append(f"Not made with `{name}` before the run was stopped: {'; '.join(missing)}.")
    losses = {one.fault: one.may_lose for one in outcomes if one.audit.lost}
    return Template(_PAGE.read_text()).substitute(
        machine=f"{os.cpu_count()} processors, {platform.machine()}",
        differing=sum(one.audit.differing for one in outcomes) or "none",
        tables="\n\n".join(tables),
        losses="\n".join(f"- {fault}: {reason}." for fault, reason in losses.items()) or "- none was lost.",
        costs=_costs(costs) if costs else "Not measured in this run.",
        waits=_waits(waits),
        transport=transport,
    )


def _row(one: Outcome) -> list[str]:
    counted = "" if not one.may_lose else " (-)" if one.counted is None else f" ({one.counted})"
    return [
        one.fault,
        *(f"{number:,}" for number in (one.calls, one.ok, one.degraded, one.rejected, one.failed)),
        "-" if one.p99_ms is None else f"{one.p99_ms:,.0f} ms",
        f"{one.normal_seconds:.1f} s" if one.is_normal else "never",
        f"{one.audit.lost}{counted}",
        str(one.audit.twice),
        str(one.audit.stale),
    ]


def _costs(costs: Sequence[Cost]) -> str:
    rows = [
        [one.setting, str(one.in_flight), f"{one.per_second:,.0f}", f"{one.p50_ms:.2f} ms", f"{one.p99_ms:.1f} ms"]
        for one in costs
    ]
    return _table(("store", "in flight", "calls/s", "p50", "p99"), rows)


def _waits(waits: Sequence[WaitedFor]) -> str:
    times = " and ".join(f"after {one.seconds * 1e3:,.1f} ms with `{one.setting}`" for one in waits)
    return (_EARLY if any(one.is_early for one in waits) else _LATE).format(times=times)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows))
