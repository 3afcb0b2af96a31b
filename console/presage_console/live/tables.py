"""The tables of the page Live, from what was counted in the last seconds and the newest reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from types import MappingProxyType
from typing import Final

from presage_console.formats import number
from presage_console.live.distribution import Distribution, Quantile
from presage_console.live.readings import Point
from presage_console.live.scrape import Scrape

__all__ = [
    "LIMIT_SECONDS",
    "MethodRow",
    "StoreTrouble",
    "VersionRow",
    "WorkerRow",
    "method_rows",
    "shown_quantile",
    "store_troubles",
    "version_rows",
    "worker_rows",
]

LIMIT_SECONDS: Final = 0.001
"""The time that a Score is meant to stay within."""

_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "unreachable": "it does not answer: scores are degraded, and events are not stored",
        "full": "it is out of memory: events are not stored",
        "disk": "it cannot write to its disk: events are not stored",
        "read_only": "it is a read-only replica: scores are degraded, and events are not stored",
        "loading": "it is loading its data: scores are degraded, and events are not stored",
        "cluster": "its cluster is not whole: scores are degraded, and events are not stored",
        "other": "it rejects commands; the server's log says why",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodRow:
    """Calls of one method."""

    method: str
    per_second: float
    p50: str
    """Time in the server, with its unit, as the next one."""
    p99: str
    within_limit: float | None
    """The share that took at most a millisecond there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """Scores, or ranked lists, of one version of a model for one arm."""

    model: str
    version: str
    arm: str
    per_second: float
    mean_score: float
    """NaN without scores, as for models that rank items."""
    degraded: float
    """The share of them; NaN without any."""
    errors_per_second: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRow:
    """One serving process."""

    name: str
    """Its number, or ``server`` where it is the only one."""
    serves: Sequence[str]
    """Models with their versions."""
    memory_bytes: float
    """Resident; NaN if it does not say, as on systems other than Linux."""
    started_unix_micros: int
    """0 if it does not say."""
    open_files: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreTrouble:
    """What is wrong with the store."""

    kind: str
    meaning: str
    workers: Sequence[str]
    """Those that have it; empty where there is one process."""


def method_rows(point: Point) -> list[MethodRow]:
    """List the methods that were called, the busiest first."""
    called = sorted((-count, method) for method, count in point.calls.items() if count)
    empty = Distribution.of_buckets({})
    rows = []
    for count, method in called:
        latency = point.latencies.get(method, empty)
        rows.append(
            MethodRow(
                method=method,
                per_second=-count / point.seconds,
                p50=shown_quantile(latency.quantile(0.5)),
                p99=shown_quantile(latency.quantile(0.99)),
                within_limit=latency.share_up_to(LIMIT_SECONDS),
            )
        )
    return rows


def version_rows(point: Point) -> list[VersionRow]:
    """List the versions that are loaded, by model, version and arm."""
    return [
        VersionRow(
            model=model,
            version=version,
            arm=arm,
            per_second=of.scores / point.seconds if point.seconds else nan,
            mean_score=of.score_sum / of.scores if of.scores and of.score_sum else nan,
            degraded=of.degraded / of.scores if of.scores else nan,
            errors_per_second=of.errors / point.seconds if point.seconds else nan,
        )
        for (model, version, arm), of in sorted(point.versions.items())
    ]


def worker_rows(scrape: Scrape) -> list[WorkerRow]:
    """List the processes that serve."""
    serves: dict[str, list[str]] = {}
    for labels, _ in scrape.series("presage_build_info"):
        of_worker = serves.setdefault(labels.get("worker", ""), [])
        of_worker.append(f"{labels.get('model', '')} {labels.get('model_version', '')}")
    rows = []
    for worker in sorted(serves, key=lambda name: (len(name), name)):
        where = {"worker": worker} if worker else {}
        started = scrape.value("process_start_time_seconds", **where)
        rows.append(
            WorkerRow(
                name=worker or "server",
                serves=sorted(serves[worker]),
                memory_bytes=scrape.value("process_resident_memory_bytes", **where),
                started_unix_micros=int(started * 1e6) if started == started else 0,  # noqa: PLR0124 - NaN
                open_files=scrape.value("process_open_fds", **where),
            )
        )
    return rows


def shown_quantile(quantile: Quantile | None) -> str:
    """Write a time in ms, or that it is above the last edge that was counted at."""
    if quantile is None:
        return number(None)
    return f"{'above ' if quantile.is_bound else ''}{number(quantile.value * 1e3)} ms"


def store_troubles(scrape: Scrape) -> list[StoreTrouble]:
    """List what is wrong with the store now; nothing, if all is well."""
    workers: dict[str, list[str]] = {}
    for labels, value in scrape.series("presage_store_trouble"):
        if value:
            of_kind = workers.setdefault(labels.get("kind", ""), [])
            if "worker" in labels:
                of_kind.append(labels["worker"])
    return [
        StoreTrouble(kind=kind, meaning=_MEANINGS.get(kind, _MEANINGS["other"]), workers=sorted(found))
        for kind, found in sorted(workers.items())
    ]
