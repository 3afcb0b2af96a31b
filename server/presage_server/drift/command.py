"""``presage drift``: have served features and scores changed?"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from presage_server.settings import shipped_models
from presage_server.store.urls import STORE_URL_HELP

if TYPE_CHECKING:
    from presage_export.drift import Alarm
    from presage_server.drift.report import DriftReport

__all__ = ["drift"]

_TIMEOUT_SECONDS = 20.0


def drift(  # noqa: PLR0917 - the command line passes names
    redis_url: Annotated[
        str,
        typer.Option(envvar="PRESAGE_REDIS_URL", help=f"The store that the servers use: {STORE_URL_HELP}."),
    ],
    names: Annotated[list[str] | None, typer.Argument(help="Models; all of the folder if not given.")] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            envvar="PRESAGE_MODELS",
            show_envvar=False,
            help="The bundles that are served; the shipped ones if not given.",
        ),
    ] = None,
    days: Annotated[float, typer.Option(min=0.1, max=40.0, help="How far to look back.")] = 7.0,
    plot: Annotated[
        Path | None, typer.Option(help="Write a chart of all columns and windows to this file, as SVG.")
    ] = None,
    every_seconds: Annotated[
        float, typer.Option(min=0.0, help="Do it again and again, this far apart; 0 does it once.")
    ] = 0.0,
    metrics_port: Annotated[
        int,
        typer.Option(
            min=-1, max=65535, help="With --every-seconds: serve what was found for Prometheus here; -1 does not."
        ),
    ] = -1,
) -> None:
    """Compare what servers have served with what their models were trained on.

    Exit code 1 means that there are alarms: a column has changed in two windows in a row. Exit code 2 means that nothing could be
    compared.
    """
    # Imported here, because the help of other commands needs neither the store's client nor NumPy.
    from redis.exceptions import RedisError  # noqa: PLC0415

    from presage_server.cli.stopping import stop_on_signals  # noqa: PLC0415
    from presage_server.clock import system_clock  # noqa: PLC0415
    from presage_server.drift.chart import draw_chart  # noqa: PLC0415
    from presage_server.drift.gauges import DriftGauges  # noqa: PLC0415
    from presage_server.drift.report import find_versions_with_baselines, judge_version  # noqa: PLC0415
    from presage_server.drift.stored_hours import HOURS_TAG  # noqa: PLC0415
    from presage_server.errors import ServerError  # noqa: PLC0415
    from presage_server.eventlog.connecting import connect  # noqa: PLC0415

    err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    console = Console(markup=False, emoji=False, highlight=False)
    stop = Flag()
    reports: list[DriftReport] = []
    try:
        redis, _ = connect(redis_url, client_name="presage-drift", timeout_seconds=_TIMEOUT_SECONDS, key=HOURS_TAG)
        gauges = DriftGauges() if every_seconds and metrics_port >= 0 else None
        with redis, stop_on_signals(stop):
            if gauges is not None:
                err.print(f"presage drift: metrics at port {gauges.serve(metrics_port)}")
            while not stop.is_set():
                found = find_versions_with_baselines(models or shipped_models(), names or ())
                now = system_clock()
                reports = [judge_version(redis, each, now_unix_micros=now, days=days) for each in found.with_baseline]
                for problem in found.problems:
                    err.print(f"presage drift: left out: {problem}")
                for report in reports:
                    _print_report(console, report)
                if gauges is not None:
                    gauges.show(reports, now_unix_micros=now)
                if plot is not None:
                    plot.write_text(draw_chart(reports), encoding="utf-8")
                if not every_seconds:
                    break
                stop.wait(every_seconds)
    except (ServerError, RedisError, OSError) as error:
        err.print(f"presage drift: {error}")
        sys.exit(2)
    if any(report.alarms for report in reports):
        sys.exit(1)
    if not any(report.windows for report in reports):
        err.print(f"presage drift: {_why_nothing(reports, days)}")
        sys.exit(2)


def _why_nothing(reports: list[DriftReport], days: float) -> str:
    """Say why nothing could be compared, and what it takes."""
    if not reports:
        return "no bundle has a baseline to compare with"
    needed = min(int(report.version.baseline.min_visitors[0]) for report in reports)
    return (
        f"there is no window with enough visitors to compare: expected {needed:,} visitors within a day, in hours that have ended "
        f"and lie in the last {days:g} days; look again later, or further back with --days"
    )


def _print_report(console: Console, report: DriftReport) -> None:
    windows = report.windows
    span = (
        f"{_time(windows[0].start_unix_micros)} to {_time(windows[-1].end_unix_micros)} UTC" if windows else "none yet"
    )
    console.print(
        f"{report.name}: {report.rows:,} rows, {len(windows)} windows ({span}), {len(report.findings):,} comparisons, "
        f"{len(report.alarms)} alarms",
        soft_wrap=True,
    )
    if report.unreadable:
        console.print(f"{report.unreadable} stored hours cannot be read and are left out")
    if not report.alarms:
        return
    table = Table(
        Column("column", no_wrap=True), *("what", "since", "until", "effect", "matters from", "chance"), box=SIMPLE_HEAD
    )
    for alarm in report.alarms:
        worst = alarm.worst
        table.add_row(
            alarm.column,
            _describe(alarm),
            _time(windows[alarm.since].start_unix_micros),
            _time(windows[alarm.last.window].end_unix_micros),
            f"{worst.effect:.3f}",
            f"{worst.needed:.3f}",
            f"{worst.chance:.0e}",
        )
    console.print(table)


def _describe(alarm: Alarm) -> str:
    """Say what has changed."""
    worst = alarm.worst
    if alarm.test == "distribution":
        return "its distribution"
    if alarm.test == "busiest":
        return f"one visitor has {worst.found:.1%} of the rows, usually {worst.expected:.1%}"
    return f"{alarm.test} {worst.found:.1%}, usually {worst.expected:.1%}"


def _time(unix_micros: int) -> str:
    return dt.datetime.fromtimestamp(unix_micros / 1e6, dt.UTC).strftime("%m-%d %H:%M")
