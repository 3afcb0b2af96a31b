"""The intervals of a soak: what is recorded of each, and a summary of all."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.rig.load import Outcome
from benchmarks.rig.processes import cpu_seconds

__all__ = ["MachineWatch", "Sample", "StoreWatch", "print_summary", "slope_per_hour", "take_sample"]

SLOW_US = 5_000.0
"""An interval whose p99.9 is above this is called slow."""

_WARM_UP_SHARE = 0.1
_SLOWEST_SHOWN = 15
_DISTURBED_SHARE = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One interval."""

    minutes: float
    """Since the load began."""
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float = 0.0
    errors: int
    resident_bytes: int
    """Memory of the server's process."""
    descriptors: int
    threads: int
    busy_share: float = 0.0
    """Of all cores, by all processes of the machine."""
    stolen_share: float = 0.0
    """Of all cores, by other machines of the same host."""
    others_share: float = 0.0
    """Of all cores, by processes that are no part of the soak."""
    is_rewriting: bool = False
    """Whether the store was rewriting its append-only file."""
    is_fsync_pending: bool = False
    """Whether an fsync of the append-only file was waiting to be done."""
    delayed_fsyncs: int = 0
    """Writes in this interval that waited for an fsync."""
    fork_us: int = 0
    """How long the fork in this interval took; 0 if there was none."""
    aof_bytes: int = 0
    """Size of the append-only file."""
    store_bytes: int = 0
    """The store's memory."""
    store_slow_ms: Mapping[str, int] = field(default_factory=dict)
    """The longest time of each operation that the store's latency monitor saw in this interval, in milliseconds."""


class StoreWatch:
    """Reads what a store did since it was read before."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        client.config_set("latency-monitor-threshold", 1)
        self._forks = self._delayed = 0
        self.read()

    def read(self) -> dict[str, Any]:
        """Take the fields of a ``Sample`` that are about the store."""
        found = self._client.info("everything")
        slow = {name.decode(): latest for name, _, latest, *_ in self._client.execute_command("LATENCY", "LATEST")}
        self._client.execute_command("LATENCY", "RESET")
        forks, delayed = found["total_forks"], found.get("aof_delayed_fsync", 0)
        fields = {
            "is_rewriting": bool(found["aof_rewrite_in_progress"]),
            "is_fsync_pending": bool(found.get("aof_pending_bio_fsync", 0)),
            "delayed_fsyncs": delayed - self._delayed,
            "fork_us": found["latest_fork_usec"] if forks > self._forks else 0,
            "aof_bytes": found.get("aof_current_size", 0),
            "store_bytes": found["used_memory"],
            "store_slow_ms": slow,
        }
        self._forks, self._delayed = forks, delayed
        return fields


class MachineWatch:
    """Reads how busy the machine was since it was read before.

    Args:
        pids: The processes of the soak: the server, the store and the generator.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = [*pids]
        self._before = self._seconds()

    def read(self) -> dict[str, float]:
        """Take the fields of a ``Sample`` that are about the machine."""
        now = self._seconds()
        busy, stolen, own, total = (after - before for after, before in zip(now, self._before, strict=True))
        self._before = now
        return {
            "busy_share": busy / max(total, 1e-9),
            "stolen_share": stolen / max(total, 1e-9),
            "others_share": max(busy - own, 0.0) / max(total, 1e-9),
        }

    def _seconds(self) -> tuple[float, float, float, float]:
        """Read processor time: busy, stolen, of the soak's own processes, and all."""
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, waiting, irq, softirq, stolen = (int(ticks) / _TICKS for ticks in fields)
        busy = user + nice + system + irq + softirq
        return busy, stolen, cpu_seconds(self._pids), busy + idle + waiting + stolen


def take_sample(outcome: Outcome, pid: int, began: float, others: Mapping[str, Any]) -> Sample:
    """Make the sample of an interval.

    Args:
        outcome: The calls of the interval.
        pid: The server's process.
        began: When the load began, by ``time.monotonic``.
        others: The fields that ``StoreWatch`` and ``MachineWatch`` read.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    return Sample(
        minutes=(time.monotonic() - began) / 60,
        per_second=outcome.per_second,
        p50_us=outcome.ok.p50_us,
        p99_us=outcome.ok.p99_us,
        p999_us=outcome.ok.p999_us,
        max_us=outcome.ok.max_us,
        errors=outcome.errors,
        resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=int(status["Threads"]),
        **others,
    )


def slope_per_hour(samples: Sequence[Sample]) -> float:
    """Fit a straight line to the memory; returns its slope in bytes an hour."""
    if len(samples) < 2:
        return 0.0
    hours = [sample.minutes / 60 for sample in samples]
    return float(np.polyfit(hours, [sample.resident_bytes for sample in samples], 1)[0])


def print_summary(samples: Sequence[Sample], console: Console) -> None:
    """Print latencies, memory, and what the store did in the slow intervals; the first tenth counts as warm-up."""
    settled = [sample for sample in samples if sample.minutes >= _WARM_UP_SHARE * samples[-1].minutes]
    for name in ("p50_us", "p99_us", "p999_us"):
        values = [getattr(sample, name) for sample in settled]
        console.print(f"{name}: median of the intervals {median(values):,.0f}, worst {max(values):,.0f}")
    console.print(
        f"memory: {settled[0].resident_bytes / 1e6:,.1f} MB, then {settled[-1].resident_bytes / 1e6:,.1f} MB; "
        f"{slope_per_hour(settled) / 1e6:+.2f} MB/h"
    )
    for name in ("descriptors", "threads"):
        values = [getattr(sample, name) for sample in settled]
        console.print(f"{name}: {min(values)} to {max(values)}")
    console.print(_causes(settled))
    console.print(_slowest(settled))


def _causes(samples: Sequence[Sample]) -> Table:
    """Count the slow intervals with and without each thing that may have made them slow."""
    table = Table(
        *("intervals", "number", "slow", "median p99.9 ms"),
        title=f"an interval is slow where its p99.9 is above {SLOW_US / 1e3:g} ms",
        title_justify="left",
    )
    kinds = {
        "all": samples,
        "with a rewrite": [one for one in samples if one.is_rewriting],
        "with a fork": [one for one in samples if one.fork_us],
        "with a delayed fsync": [one for one in samples if one.delayed_fsyncs],
        "with a slow operation of the store": [one for one in samples if one.store_slow_ms],
        "with other processes on a tenth of the cores": [one for one in samples if _is_disturbed(one)],
        "with none of these": [one for one in samples if not _has_cause(one)],
    }
    for name, some in kinds.items():
        slow = sum(one.p999_us > SLOW_US for one in some)
        middle = f"{median(one.p999_us for one in some) / 1e3:.1f}" if some else "-"
        table.add_row(name, f"{len(some):,}", f"{slow:,}", middle)
    return table


def _has_cause(one: Sample) -> bool:
    return bool(one.is_rewriting or one.fork_us or one.delayed_fsyncs or one.store_slow_ms or _is_disturbed(one))


def _is_disturbed(one: Sample) -> bool:
    return one.others_share + one.stolen_share > _DISTURBED_SHARE


def _slowest(samples: Sequence[Sample]) -> Table:
    table = Table(
        *(
            "minute",
            "p99.9 ms",
            "max ms",
            "busy",
            "others",
            "rewriting",
            "fork ms",
            "delayed fsyncs",
            "slow in the store, ms",
        ),
        title="the slowest intervals",
        title_justify="left",
    )
    for one in sorted(samples, key=lambda sample: -sample.p999_us)[:_SLOWEST_SHOWN]:
        table.add_row(
            f"{one.minutes:.2f}",
            f"{one.p999_us / 1e3:.1f}",
            f"{one.max_us / 1e3:.1f}",
            f"{one.busy_share:.0%}",
            f"{one.others_share + one.stolen_share:.0%}",
            "yes" if one.is_rewriting else "",
            f"{one.fork_us / 1e3:.1f}" if one.fork_us else "",
            str(one.delayed_fsyncs or ""),
            ", ".join(f"{name} {milliseconds}" for name, milliseconds in one.store_slow_ms.items()),
        )
    return table
