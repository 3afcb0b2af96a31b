"""What the page Live shows, made from the readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from presage_console.charts import Chart
from presage_console.formats import duration, moment, number, percent
from presage_console.live import pictures
from presage_console.live.distribution import Distribution
from presage_console.live.readings import Point, Readings
from presage_console.live.scrape import Scrape
from presage_console.live.tables import (
    LIMIT_SECONDS,
    MethodRow,
    StoreTrouble,
    VersionRow,
    WorkerRow,
    method_rows,
    shown_quantile,
    store_troubles,
    version_rows,
    worker_rows,
)

__all__ = ["LiveView", "Stat", "live_view"]

_RECENT_SECONDS: Final = 10.0
_WINDOW_SECONDS: Final = 60.0
_USUAL_METHOD: Final = "Score"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stat:
    """One figure at the top."""

    name: str
    value: str
    detail: str = ""
    tone: str = ""
    """``good``, ``warn`` or ``bad``; the text says so, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveView:
    """The page."""

    state: str
    """The state of the server in one sentence; the text changes only when the state does."""
    tone: str
    read_unix_micros: int
    """When the newest reading was; 0 before the first."""
    window: str
    """Of which time the tables are."""
    stats: Sequence[Stat] = ()
    methods: Sequence[str] = ()
    """Those that have latencies."""
    method: str = ""
    """The one whose latencies are shown; empty before there were any."""
    charts: Sequence[Chart] = ()
    method_rows: Sequence[MethodRow] = ()
    version_rows: Sequence[VersionRow] = ()
    workers: Sequence[WorkerRow] = ()
    troubles: Sequence[StoreTrouble] = ()
    store_stats: Sequence[Stat] = ()


def live_view(readings: Readings, now_unix_micros: int, method: str = "") -> LiveView:
    """Make the page.

    Args:
        readings: What was read.
        now_unix_micros: The time.
        method: The method whose latencies are wanted; one that is not called, or none: Score, or else the busiest.
    """
    scrape = readings.newest
    if scrape is None:
        return LiveView(state=readings.problem or "Not read yet.", tone="bad", read_unix_micros=0, window="")
    recent, last = readings.last(_RECENT_SECONDS), readings.last(_WINDOW_SECONDS)
    window = "since the start" if readings.is_since_start(_WINDOW_SECONDS) else "last minute"
    troubles = store_troubles(scrape)
    state, tone = _state(readings, scrape, troubles)
    methods = sorted(name for name, latency in last.latencies.items() if latency.total)
    shown = method if method in methods else _usual(methods, last)
    return LiveView(
        state=state,
        tone=tone,
        read_unix_micros=scrape.unix_micros,
        window=window,
        stats=_stats(recent, last, scrape, shown, window),
        methods=methods,
        method=shown,
        charts=_charts(readings.points, last, shown, window),
        method_rows=method_rows(last),
        version_rows=version_rows(last),
        workers=worker_rows(scrape),
        troubles=troubles,
        store_stats=_store_stats(recent, last, scrape, now_unix_micros),
    )


def _state(readings: Readings, scrape: Scrape, troubles: Sequence[StoreTrouble]) -> tuple[str, str]:
    if readings.problem:
        return f"{readings.problem}. What follows is from {moment(scrape.unix_micros)}.", "bad"
    if "presage_build_info" not in scrape.samples:
        return "These metrics are not those of a Presage server: expected presage_build_info among them.", "bad"
    if troubles:
        kinds = "; ".join(f"{trouble.kind}: {trouble.meaning}" for trouble in troubles)
        return f"The store is in trouble ({kinds}).", "bad"
    workers = scrape.value("presage_workers")
    if workers == 0:
        return "No worker serves.", "bad"
    return "The server answers, and so does its store.", "good"


def _charts(points: Sequence[Point], last: Point, method: str, window: str) -> list[Chart]:
    latencies = []
    if method:
        histogram = pictures.latency_histogram(method, last.latencies[method], window)
        latencies = [histogram, pictures.quantiles_chart(points, method)]
    return [
        pictures.calls_chart(points),
        *latencies,
        pictures.trouble_chart(points),
        pictures.histories_chart(points),
        pictures.stages_chart(last, window),
        *pictures.score_charts(last, window),
    ]


def _usual(methods: Sequence[str], last: Point) -> str:
    if _USUAL_METHOD in methods or not methods:
        return _USUAL_METHOD if methods else ""
    return max(methods, key=lambda name: (last.latencies[name].total, name))


def _stats(recent: Point, last: Point, scrape: Scrape, method: str, window: str) -> list[Stat]:
    calls, visitors = sum(recent.calls.values()), sum(recent.histories.values())
    recently = "last 10 s" if window == "last minute" else window
    stats = [Stat(name="Calls", value=_per_second(calls, recent), detail=recently)]
    if method:
        latency = last.latencies[method]
        within = latency.share_up_to(LIMIT_SECONDS)
        stats.append(
            Stat(name=f"{method} p99", value=shown_quantile(latency.quantile(0.99)), detail=f"in the server, {window}")
        )
        stats.append(Stat(name=f"{method} within 1 ms", value=percent(within, 2), detail=window))
    degraded = recent.histories.get("unreadable", 0.0)
    return [
        *stats,
        Stat(
            name="Rejected",
            value=_per_second(recent.rejected, recent),
            detail=f"{percent(recent.rejected / calls if calls else None)} of the calls",
            tone="bad" if recent.rejected else "",
        ),
        Stat(
            name="Failed",
            value=_per_second(recent.failed, recent),
            detail=f"{percent(recent.failed / calls if calls else None)} of the calls",
            tone="bad" if recent.failed else "",
        ),
        Stat(
            name="Degraded",
            value=_per_second(degraded, recent),
            detail=f"{percent(degraded / visitors if visitors else None)} of the visitors",
            tone="warn" if degraded else "",
        ),
        Stat(
            name="Cold starts",
            value=percent(recent.histories.get("none", 0.0) / visitors if visitors else None),
            detail="of the visitors",
        ),
        Stat(name="Events", value=_per_second(recent.events.get("applied", 0.0), recent), detail="stored"),
        Stat(
            name="Processor",
            value=percent(recent.cpu_seconds / recent.seconds if recent.seconds else None, 0),
            detail="of one core",
        ),
        _workers(scrape),
    ]


def _workers(scrape: Scrape) -> Stat:
    workers = scrape.value("presage_workers")
    if workers != workers:  # noqa: PLR0124 - NaN: the server has one process
        return Stat(name="Workers", value="1", detail="process that serves")
    restarts = scrape.value("presage_worker_restarts_total")
    return Stat(
        name="Workers",
        value=number(workers),
        detail=f"{number(restarts)} restarted",
        tone="bad" if not workers else "warn" if restarts else "",
    )


def _store_stats(recent: Point, last: Point, scrape: Scrape, now_unix_micros: int) -> list[Stat]:
    stage = last.stages.get("store", Distribution.of_buckets({}))
    lost, until = scrape.value("presage_store_lost_events_total"), scrape.value("presage_items_counted_until_seconds")
    stats = [
        Stat(name="Time in the store, p50", value=shown_quantile(stage.quantile(0.5)), detail="of a batch of calls"),
        Stat(name="p99", value=shown_quantile(stage.quantile(0.99)), detail="of a batch of calls"),
        Stat(
            name="Rejected commands",
            value=_per_second(recent.store_rejections, recent),
            tone="bad" if recent.store_rejections else "",
        ),
        Stat(name="Conflicts", value=_per_second(recent.store_conflicts, recent), detail="tried again"),
        Stat(
            name="Events not stored",
            value=_per_second(recent.events.get("refused", 0.0), recent),
            tone="bad" if recent.events.get("refused") else "",
        ),
        Stat(
            name="Acknowledged events lost",
            value=number(lost),
            detail="since the start",
            tone="bad" if lost > 0 else "",
        ),
    ]
    if until > 0:
        stats.append(Stat(name="Items counted until", value=f"{duration(now_unix_micros / 1e6 - until)} ago"))
    return stats


def _per_second(count: float, point: Point) -> str:
    return f"{number(count / point.seconds)} /s" if point.seconds else number(None)
