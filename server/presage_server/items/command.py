"""``presage items``: loading a catalogue, and counting items in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Annotated, Any

import typer
from rich.console import Console

from presage_server.cli.options import checked_token
from presage_server.cli.stopping import stop_on_signals
from presage_server.cli.targets import TlsCa, TlsCert, TlsKey, open_channel
from presage_server.errors import ServerError
from presage_server.store.urls import STORE_URL_HELP

__all__ = ["follow", "items", "load"]

items = typer.Typer(
    name="items",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Load the catalogue of items, and count them from the event streams.",
)


@items.command()
def load(  # noqa: PLR0917 - the command line passes names
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv or .parquet file, one row for each item.")],
    columns: Annotated[
        str,
        typer.Option(
            help="Columns that are not named like the field, as in `item_id=sku,price=unit_price`. Fields: item_id, price, "
            "category, brand, tags (with | in between), stock, blocked, first_seen."
        ),
    ] = "",
    encoding: Annotated[str, typer.Option(help="How text is encoded, as in cp1252.")] = "utf-8",
    target: Annotated[
        str, typer.Option(envvar="PRESAGE_TARGET", help="The server to send to, HOST:PORT.")
    ] = "127.0.0.1:50051",
    token: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_TOKEN",
            callback=checked_token,
            help="A token with the scope `admin`, if the server asks for one.",
        ),
    ] = "",
    tls_ca: TlsCa = "",
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    report_seconds: Annotated[float, typer.Option(help="How often a line of progress is printed.")] = 5.0,
) -> None:
    """Send a catalogue to a running server.

    Empty cells change nothing, so a file of two columns can bring the stock up to date. Each row is stored whole or not at all; bad
    rows are counted and shown with their lines, and exit code 1 means that there were some. The same file can be loaded again.
    """
    err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        # Imported here, because the help of other commands needs neither gRPC nor Arrow.
        from presage_server.items.catalogue_files import open_catalogue  # noqa: PLC0415
        from presage_server.items.following import every  # noqa: PLC0415
        from presage_server.items.loading import load_catalogue  # noqa: PLC0415

        started = monotonic()
        with (
            open_catalogue(file, _parse_columns(columns), encoding) as catalogue,
            open_channel(target, tls_ca, tls_cert, tls_key) as channel,
        ):
            if catalogue.unused:
                err.print(f"presage items load: not used: columns {', '.join(map(repr, catalogue.unused))}")
            show = every(
                report_seconds, lambda found: _print("load", f"{catalogue.share:.0%}, {_line(found, started)}")
            )
            progress = load_catalogue(catalogue, channel, show, token)
    except ServerError as error:
        err.print(f"presage items load: {error}")
        sys.exit(2)
    for reason, count in progress.rejected.most_common():
        err.print(f"presage items load: rejected {count:,}: {reason}")
        for example in progress.examples[reason]:
            err.print(f"  {example}")
    if progress.repeated:
        err.print(
            f"presage items load: {progress.repeated:,} rows are of items of earlier rows; the last of each holds"
        )
    if not progress.rows:
        err.print(f"presage items load: {file} has no rows, only the names of columns")
    _print("load", f"ended; {_line(progress, started)}")
    if progress.rejected:
        sys.exit(1)


@items.command()
def follow(
    redis_url: Annotated[
        str,
        typer.Option(envvar="PRESAGE_REDIS_URL", help=f"The store that the servers use: {STORE_URL_HELP}."),
    ],
    bucket_seconds: Annotated[
        int,
        typer.Option(
            envvar="PRESAGE_ITEM_BUCKET_SECONDS",
            help="As the servers' setting `item_bucket_seconds`: how often statistics are brought up to date.",
        ),
    ] = 60,
    report_seconds: Annotated[float, typer.Option(help="How often a line of progress is printed.")] = 60.0,
) -> None:
    """Count items from the event streams until SIGTERM or Ctrl-C, for servers that run with `--no-follow-items`.

    One process at a time does it; others wait for their turn. It can be killed at any moment: the next one counts the same.
    """
    err = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    stop = Flag()
    try:
        from presage_server.items.follow_settings import FollowSettings  # noqa: PLC0415
        from presage_server.items.following import every, run  # noqa: PLC0415

        settings = FollowSettings(redis_url=redis_url, bucket_seconds=bucket_seconds, report_seconds=report_seconds)
        with stop_on_signals(stop):
            progress = run(
                settings.redis_url,
                bucket_seconds=settings.bucket_seconds,
                stop=stop,
                warn=lambda line: err.print(f"presage items follow: {line}"),
                on_step=every(settings.report_seconds, lambda found: _print("follow", found.line())),
            )
    except ServerError as error:
        err.print(f"presage items follow: {error}")
        sys.exit(2)
    _print("follow", f"ended; {progress.line()}")


def _parse_columns(text: str) -> dict[str, str]:
    from presage_featurizer.ranking.catalogue_rows import parse_columns  # noqa: PLC0415
    from presage_server.items.catalogue_files import CatalogueFileError  # noqa: PLC0415

    try:
        return parse_columns(text)
    except ValueError as error:
        raise CatalogueFileError(str(error)) from error


def _line(progress: Any, started: float) -> str:
    seconds = max(monotonic() - started, 1e-9)
    rejected = sum(progress.rejected.values())
    return f"rows={progress.rows} stored={progress.stored} rejected={rejected} rows_per_second={progress.rows / seconds:.0f}"


def _print(command: str, line: str) -> None:
    print(f"presage items {command}: {line}", flush=True)  # noqa: T201 - a line for logs
