"""``presage backfill``: the archive's events folded into the stored states again."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console

from presage_server.cli.stopping import stop_on_signals
from presage_server.errors import ServerError
from presage_server.store.urls import STORE_URL_HELP

__all__ = ["backfill"]

_NICENESS = 10
"""Servers on the same machine get the processor first."""


def backfill(  # noqa: PLR0917 - the command line passes names
    archive: Annotated[Path, typer.Argument(help="The folder of `presage archive --to`.")],
    redis_url: Annotated[
        str,
        typer.Option(envvar="PRESAGE_REDIS_URL", help=f"The store that the servers use: {STORE_URL_HELP}."),
    ],
    project: Annotated[
        Path | None,
        typer.Option(envvar="PRESAGE_PROJECT", help="The project folder, whose declared features get their history."),
    ] = None,
    rebuild: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--rebuild",
            help="Replace stored states by what the log gives, and bring back visitors that the store lost.",
        ),
    ] = False,
    visitors_per_second: Annotated[
        float, typer.Option(help="The most visitors in a second; 0: as many as the store takes.")
    ] = 5_000.0,
    state_ttl_days: Annotated[
        float,
        typer.Option(
            envvar="PRESAGE_STATE_TTL_DAYS",
            help="As the servers' setting: visitors without an event for that long have expired.",
        ),
    ] = 30.0,
    max_batch_events: Annotated[
        int, typer.Option(help="Archived events folded at once, roughly: less takes less memory and more time.")
    ] = 500_000,
    report_seconds: Annotated[float, typer.Option(help="How often a line of progress is printed.")] = 10.0,
) -> None:
    """Fold the archive's events into the stored states again, while the servers go on.

    Gives newly declared features their history: run it when every server has the new declarations. With `--rebuild`, states that
    the store has lost come back, too. It can be interrupted and run again at any time. Exit code 1 means that something was left
    out; the last line says what.
    """
    err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    started = monotonic()
    stop = Flag()
    try:
        # Imported here, because the help of other commands needs neither the store's client nor Arrow.
        from presage_server.backfill.run import run_backfill  # noqa: PLC0415
        from presage_server.backfill.settings import BackfillSettings  # noqa: PLC0415

        settings = BackfillSettings(
            archive=archive,
            redis_url=redis_url,
            project=project,
            rebuild=rebuild,
            visitors_per_second=visitors_per_second,
            state_ttl_days=state_ttl_days,
            max_batch_events=max_batch_events,
            report_seconds=report_seconds,
        )
        os.nice(_NICENESS)
        with stop_on_signals(stop):
            progress = run_backfill(
                settings,
                writer=secrets.token_bytes(2),
                warn=lambda line: err.print(f"presage backfill: {line}"),
                report=_report,
                stop=stop,
            )
    except ServerError as error:
        err.print(f"presage backfill: {error}")
        sys.exit(2)
    interrupted = progress.share < 1.0
    _report(f"{'interrupted; run the same again' if interrupted else 'ended'}; {progress.line(monotonic() - started)}")
    if interrupted or not progress.is_complete:
        sys.exit(1)


def _report(line: str) -> None:
    print(f"presage backfill: {line}", flush=True)  # noqa: T201 - a line for logs
