"""``presage archive``: copies the event streams into Parquet files."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from presage_server.cli.stopping import stop_on_signals
from presage_server.errors import ServerError
from presage_server.store.urls import STORE_URL_HELP

__all__ = ["archive"]


def archive(  # noqa: PLR0917 - the command line passes names
    to: Annotated[Path, typer.Option("--to", help="The archive's folder; created if it does not exist.")],
    redis_url: Annotated[
        str,
        typer.Option(envvar="PRESAGE_REDIS_URL", help=f"The store that the servers use: {STORE_URL_HELP}."),
    ],
    once: Annotated[bool, typer.Option("--once", help="Archive what is in the streams, then end.")] = False,  # noqa: FBT002 - a flag
    flush_seconds: Annotated[
        float,
        typer.Option(
            help="How often files are written. Less often gives fewer and larger files; more often makes events available sooner."
        ),
    ] = 60.0,
    max_batch_events: Annotated[
        int, typer.Option(help="Files are written sooner when this many events wait.")
    ] = 100_000,
    report_seconds: Annotated[
        float, typer.Option(help="How often a line is printed when there is no terminal.")
    ] = 10.0,
) -> None:
    """Copy the event streams into Parquet files, one folder per day, every event once.

    Continues where it ended, even after a kill. SIGTERM and Ctrl-C write what was read, then end. With `--once`, exit code 1 means
    that events were lost: the streams dropped them before they were archived.
    """
    err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    stop = Flag()
    try:
        # Imported here, because the help of other commands needs neither the store's client nor Arrow.
        from presage_server.archive.archiver import Archiver  # noqa: PLC0415
        from presage_server.archive.catalogue import CatalogueReader  # noqa: PLC0415
        from presage_server.archive.catalogue_archiver import CatalogueArchiver  # noqa: PLC0415
        from presage_server.archive.catalogue_parts import changes_by_day  # noqa: PLC0415
        from presage_server.archive.folder import open_folder  # noqa: PLC0415
        from presage_server.archive.parts import parts_by_day  # noqa: PLC0415
        from presage_server.archive.settings import ArchiveSettings  # noqa: PLC0415
        from presage_server.clock import system_clock  # noqa: PLC0415
        from presage_server.eventlog.connecting import connect_clients  # noqa: PLC0415
        from presage_server.eventlog.consumer_group import ConsumerGroup  # noqa: PLC0415
        from presage_server.eventlog.poller import Poller  # noqa: PLC0415
        from presage_server.eventlog.reader import StreamReader  # noqa: PLC0415
        from presage_server.items.keys import CATALOGUE_STREAM  # noqa: PLC0415

        settings = ArchiveSettings(
            to=to,
            redis_url=redis_url,
            once=once,
            flush_seconds=flush_seconds,
            max_batch_events=max_batch_events,
            report_seconds=report_seconds,
        )
        clients, counts_entries = connect_clients(
            settings.redis_url, client_name="presage-archive", timeout_seconds=settings.timeout_seconds
        )
        with (
            clients,
            stop_on_signals(stop),
            _progress_display(err, report_seconds=settings.report_seconds) as show,
            open_folder(settings.to, new_id=lambda: secrets.token_hex(6)) as folder,
        ):

            def warn(line: str) -> None:
                err.print(f"presage archive: {line}")

            group = ConsumerGroup(
                clients,
                name=f"archive-{folder.checkpoint.archive_id}",
                consumer="archive",
                counts_entries=counts_entries,
            )
            catalogue = CatalogueReader(clients.of_key(CATALOGUE_STREAM), counts_entries=counts_entries)
            archiver = Archiver(
                reader=StreamReader(group),
                catalogue=CatalogueArchiver(catalogue, changes_by_day),
                folder=folder,
                clock=system_clock,
                write_parts=parts_by_day,
                warn=warn,
                max_batch_events=settings.max_batch_events,
            )
            poller = Poller(archiver, once=settings.once, flush_seconds=settings.flush_seconds, warn=warn)
            poller.run(stop=stop, on_step=lambda: show(archiver.progress))
    except ServerError as error:
        err.print(f"presage archive: {error}")
        sys.exit(2)
    progress = archiver.progress
    print(f"presage archive: ended; {_line(progress)}", flush=True)  # noqa: T201 - the command's result
    if once and progress.discontinuities:
        sys.exit(1)


@contextmanager
def _progress_display(console: Console, *, report_seconds: float) -> Iterator[Callable[[Any], None]]:
    """Show progress: a table that is updated in place on a terminal, otherwise a line every ``report_seconds``."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda progress: live.update(_table(progress))
        return
    printed: float | None = None

    def show(progress: Any) -> None:
        nonlocal printed
        now = monotonic()
        if printed is None or now - printed >= report_seconds:
            printed = now
            print(f"presage archive: {_line(progress)}", flush=True)  # noqa: T201 - a line for logs

    yield show


def _line(progress: Any) -> str:
    lag, worst = (_or_unknown(number, "") for number in (progress.lag, progress.worst_lag))
    return (
        f"archived={progress.archived} pending={progress.pending} pending_seconds={progress.pending_seconds:.0f} "
        f"lag={lag} worst_lag={worst} lost={progress.lost} files={progress.files} changes={progress.changes}"
    )


def _table(progress: Any) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_row(f"{progress.archived:,}", "events archived")
    table.add_row(f"{progress.changes:,}", "changes of the catalogue archived")
    table.add_row(f"{progress.pending:,}", f"pending: read, not in a file yet, for {progress.pending_seconds:.0f} s")
    table.add_row(
        _or_unknown(progress.lag, ","),
        f"lag: not read yet; {_or_unknown(progress.worst_lag, ',')} in the stream with the most",
    )
    table.add_row(f"{progress.lost:,}", "lost", style="bold red" if progress.lost else None)
    table.add_row(f"{progress.files:,}", "files written")
    return table


def _or_unknown(number: int | None, spec: str) -> str:
    return "unknown" if number is None else format(number, spec)
