"""``presage replay``: an event log, streamed into a running server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from presage_client import PresageError
from presage_training.errors import TrainingError
from presage_training.readers import LogFormat, Skips, read_events
from presage_training.sending import Sent, send_log

__all__ = ["replay"]


def replay(
    file: Annotated[
        Path, typer.Argument(help="The log: Parquet or CSV for the shops' formats, JSON lines for Presage's own.")
    ],
    log_format: Annotated[LogFormat, typer.Option("--format", help="What the log holds.")],
    target: Annotated[str, typer.Option(envvar="PRESAGE_TARGET", help="The server, HOST:PORT.")] = "127.0.0.1:50051",
    lanes: Annotated[int, typer.Option(min=1, max=64, help="Calls in flight; each visitor keeps to one lane.")] = 8,
    timeout_ms: Annotated[float, typer.Option(min=1, help="What one call of up to 500 events may take.")] = 10_000,
) -> None:
    """Send a log of events to a running server.

    Visitors' events arrive in the log's order. Every event has an id made from the log, so a replay that broke off can be started
    again: what was counted counts once, as long as no visitor has more than 128 events in it, which is how many ids the server
    remembers of each. Ends with a summary of what was counted, left out and refused, and why.
    """
    # Names and lines of a log may look like markup.
    console = Console(markup=False, emoji=False)
    skips = Skips()
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events · {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        console=console,
    )
    task = progress.add_task(file.name, total=None, rate=0.0)

    def show(sent: Sent) -> None:
        progress.update(task, completed=sent.events, rate=sent.events_per_second)

    try:
        with progress:
            events = read_events(file, log_format, skips=skips)
            sent = asyncio.run(send_log(events, target, lanes=lanes, timeout_ms=timeout_ms, show=show))
            progress.update(task, total=sent.events)
    except OSError as error:
        sys.exit(_fail(f"{file}: {error.strerror or error}; name a file that can be read"))
    except TrainingError as error:
        sys.exit(_fail(str(error)))
    except PresageError as error:
        sys.exit(_fail(f"{error}; what was counted stays counted: run the same command again once {target} answers"))
    except KeyboardInterrupt:
        sys.exit(_fail("broken off; run the same command again to send the rest"))
    _print_summary(console, file, sent, skips)
    if skips.total and not sent.events:
        sys.exit(_fail(f"{file}: nothing in it could be read as {log_format}; name the format that it has"))


def _print_summary(console: Console, file: Path, sent: Sent, skips: Skips) -> None:
    table = Table("", "events", "example", title=file.name, title_justify="left")
    table.add_row("counted", f"{sent.counted:,}", "")
    table.add_row("counted before (duplicates)", f"{sent.duplicates:,}", "")
    for reason, count in sent.refused.items():
        table.add_row(f"refused by the server: {reason}", f"{count:,}", sent.refused_examples[reason])
    for reason, count in skips.counts.items():
        example = skips.examples[reason][0]
        table.add_row(f"left out by the reader: {reason}", f"{count:,}", f"{example.where}: {example.what}")
    table.add_row("sent", f"{sent.events:,}", "")
    console.print(table)
    console.print(f"{sent.visitors:,} visitors, {sent.seconds:.1f} s, {sent.events_per_second:,.0f} events/s")


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage replay: {message}", markup=False, soft_wrap=True)
    return 2
