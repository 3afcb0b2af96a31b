"""``presage replay``: an event log, streamed into a running server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from presage_client import AccessDeniedError, PresageError, tls_credentials
from presage_featurizer import Event, FeaturizerError
from presage_training.datasets.own_features import UnseenAttributes
from presage_training.errors import TrainingError
from presage_training.project.option import project_option
from presage_training.project.project import Project, log_source
from presage_training.project.training_file import LOG_KEYS
from presage_training.readers import (
    LogFormat,
    LogMapping,
    ReadProgress,
    SkippedRows,
    load_mapping,
    read_events,
    sorted_by_time,
)
from presage_training.replaying.event_order import CountedOrder
from presage_training.traffic.sending import SendStats, send_log

__all__ = ["replay"]


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise typer.BadParameter("expected one word of printable ASCII")
    return token


def replay(  # noqa: PLR0917 - the command line passes names
    file: Annotated[
        Path,
        typer.Argument(help="The log: Parquet, CSV or Excel for the shops' formats, JSON lines for Presage's own."),
    ],
    project_folder: Annotated[Path | None, project_option(LOG_KEYS)] = None,
    log_format: Annotated[LogFormat | None, typer.Option("--format", help="What the log holds, if known here.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says what the log's columns mean, instead of --format.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Send in the order of time, not of the file.")] = False,  # noqa: FBT002 - a flag
    target: Annotated[
        str, typer.Option(envvar="PRESAGE_TARGET", help="The server to send to, HOST:PORT.")
    ] = "127.0.0.1:50051",
    token: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_TOKEN",
            callback=_checked_token,
            help="A token with the scope `track`, if the server asks for one.",
        ),
    ] = "",
    tls_ca: Annotated[
        str | None,
        typer.Option(
            envvar="PRESAGE_TARGET_TLS_CA",
            help="A PEM file of the authorities that may sign the server's certificate: the connection speaks TLS.",
        ),
    ] = None,
    tls_cert: Annotated[
        str | None,
        typer.Option(envvar="PRESAGE_TARGET_TLS_CERT", help="This client's certificate, if the server asks for one."),
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(envvar="PRESAGE_TARGET_TLS_KEY", help="Its key, without a passphrase.")
    ] = None,
    lanes: Annotated[int, typer.Option(min=1, max=64, help="Calls in flight; each visitor keeps to one lane.")] = 8,
    timeout_ms: Annotated[float, typer.Option(min=1, help="The deadline of one call of up to 500 events.")] = 10_000,
) -> None:
    """Send a log of events to a running server.

    Give --format or --mapping. Visitors' events arrive in the log's order, or with --sort in the order of time. Every event has an
    id made from the log, so an interrupted replay can be repeated: no event counts twice, as long as no visitor has more than 128
    events in the log, which is how many ids the server remembers of each. Ends with a summary of what was counted, skipped and
    rejected, and why.
    """
    # Names and lines of a log may look like markup.
    console = Console(markup=False, emoji=False)
    skipped = SkippedRows()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} events · {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("·"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task(file.name, total=None, rate=0.0)
    progress = ReadProgress()

    def show(stats: SendStats) -> None:
        # The total is estimated from the share that has been read.
        total = events.count / progress.share if progress.share else None
        bar.update(task, completed=stats.events, total=total, rate=stats.events_per_second)

    try:
        project = None if project_folder is None else Project.read(project_folder)
        source = _source(*log_source(project, log_format, mapping))
        unseen = UnseenAttributes(None if project is None else project.features)
        events = _Counted(unseen.watch(read_events(file, source, skipped=skipped, progress=progress)))
        log = CountedOrder(sorted_by_time(events) if sort else events)
        with bar:
            stats = asyncio.run(
                send_log(
                    log,
                    target,
                    lanes=lanes,
                    timeout_ms=timeout_ms,
                    on_progress=show,
                    token=token,
                    credentials=_credentials(tls_ca, tls_cert, tls_key),
                )
            )
            bar.update(task, total=stats.events)
    except OSError as error:
        sys.exit(_fail(f"{error.filename or file}: {error.strerror or error}; name a file that can be read"))
    except (TrainingError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except AccessDeniedError as error:
        sys.exit(_fail(f"{error}; give --token, or PRESAGE_TOKEN, a token with the scope track"))
    except PresageError as error:
        sys.exit(_fail(f"{error}; what was counted stays counted: run the same command again once {target} answers"))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; run the same command again to send the rest"))
    _print_summary(console, file, stats, skipped)
    for remark in unseen.remarks if stats.events else ():
        console.print(remark, soft_wrap=True)
    if (order := log.order).late_events:
        console.print(f"{order.description}; --sort sends them in the order of time", soft_wrap=True)
    if skipped.total and not stats.events:
        sys.exit(_fail(f"{file}: nothing in it could be read as {_source_name(source)}; name its format"))


def _credentials(ca: str | None, cert: str | None, key: str | None) -> grpc.ChannelCredentials | None:
    """Return those of TLS; None: plain text."""
    if not (ca or cert or key):
        return None
    try:
        return tls_credentials(ca or None, cert_file=cert or None, key_file=key or None)
    except ValueError as error:
        sys.exit(_fail(f"--tls-ca, --tls-cert, --tls-key: {error}"))


class _Counted:
    """A log that counts its events as it is read."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = events
        self.count = 0

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            self.count += 1
            yield event


def _source(log_format: LogFormat | None, mapping: Path | None) -> LogFormat | LogMapping:
    """Return what the log holds, as one of the two options says."""
    if log_format is not None and mapping is None:
        return log_format
    if mapping is not None and log_format is None:
        return load_mapping(mapping)
    sys.exit(_fail("expected either --format or --mapping; give the one that says what the log holds"))


def _source_name(source: LogFormat | LogMapping) -> str:
    return source.value if isinstance(source, LogFormat) else str(source.path)


def _print_summary(console: Console, file: Path, stats: SendStats, skipped: SkippedRows) -> None:
    table = Table("", "events", "example", title=file.name, title_justify="left")
    table.add_row("counted", f"{stats.counted:,}", "")
    table.add_row("counted before (duplicates)", f"{stats.duplicates:,}", "")
    for reason, count in stats.rejected.items():
        table.add_row(f"rejected by the server: {reason}", f"{count:,}", stats.rejected_examples[reason])
    for reason, count in skipped.counts.items():
        example = skipped.examples[reason][0]
        table.add_row(f"skipped by the reader: {reason}", f"{count:,}", f"{example.where}: {example.what}")
    table.add_row("sent", f"{stats.events:,}", "")
    console.print(table)
    console.print(f"{stats.visitors:,} visitors, {stats.seconds:.1f} s, {stats.events_per_second:,.0f} events/s")


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage replay: {message}", markup=False, soft_wrap=True)
    return 2
