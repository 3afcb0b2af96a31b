"""``presage forget``: a visitor erased from the store, archives and what else keeps visitors, and proof of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from presage_server.errors import ServerError, SettingsError
from presage_server.store.urls import STORE_URL_HELP

if TYPE_CHECKING:
    from presage_server.forgetting.checking import Finding
    from presage_server.forgetting.run import Erased

__all__ = ["forget"]


def forget(  # noqa: PLR0917 - the command line passes names
    user_id: Annotated[
        str,
        typer.Argument(
            help="The visitor, as in events; - reads it from standard input, so that no list of processes shows it."
        ),
    ],
    redis_url: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_REDIS_URL",
            show_envvar=False,
            help=f"The store that the servers use: {STORE_URL_HELP}.",
            show_default=False,
        ),
    ] = "",
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --redis-url: the folder of an embedded store, whether it runs or not.", show_default=False
        ),
    ] = None,
    archive: Annotated[
        list[Path] | None,
        typer.Option(help="The folder of an archive of the store; once for each archive there is.", show_default=False),
    ] = None,
    states: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of presage audit --follow --states; those beside an archive are found.", show_default=False
        ),
    ] = None,
    check: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--check", help="Erase nothing: look for the visitor everywhere.")
    ] = False,
    log_id: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--log-id", help="Only print the visitor's name in logs.")
    ] = False,
    log_id_key: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_LOG_ID_KEY", show_envvar=False, help="As the servers' setting.", show_default=False
        ),
    ] = "",
    settle_seconds: Annotated[
        float,
        typer.Option(
            help="How long calls that had read the old state may still take; more than the servers' --timeout-ms."
        ),
    ] = 5.0,
    wait_seconds: Annotated[
        float,
        typer.Option(help="How long an archiver may take to write what it has read; more than its --flush-seconds."),
    ] = 300.0,
    rewrite: Annotated[bool, typer.Option(help="Have the store rewrite its append-only file and snapshot.")] = True,  # noqa: FBT002 - a flag
) -> None:
    """Erase a visitor from the store, the archives and the audit's states, under live traffic, then look for what is left.

    Exit code 0: nothing is left. 1: something is, and each line says what. 2: it could not be carried out; run the same again. With
    `--check`, it only looks. What events of others say, models, and what was counted without ids stays.
    """
    with _errors_shown():
        if user_id == "-":
            user_id = sys.stdin.readline().rstrip("\n")
        if log_id:
            from presage_featurizer.pseudonyms import pseudonym  # noqa: PLC0415 - the command's help is quick

            print(pseudonym(user_id, log_id_key.encode()))  # noqa: T201 - to be searched for
            return
        with _store_url(redis_url, data_dir) as url:
            from presage_server.forgetting.run import check_visitor, forget_visitor  # noqa: PLC0415
            from presage_server.forgetting.settings import ForgetSettings  # noqa: PLC0415

            settings = ForgetSettings(
                user_id=user_id,
                redis_url=url,
                data_dir=data_dir,
                archives=tuple(archive or ()),
                states=tuple(states or ()),
                settle_seconds=settle_seconds,
                wait_seconds=wait_seconds,
                rewrite_files=rewrite,
            )
            if check:
                left = check_visitor(settings)
                _report_findings(left)
                code = 1 if left else 0
            else:
                erased = forget_visitor(settings, warn=_warn)
                _report(erased)
                code = 0 if erased.is_complete else 1
    sys.exit(code)


@contextmanager
def _store_url(redis_url: str, data_dir: Path | None) -> Iterator[str]:
    """Return the URL of the store that is meant; an embedded one that does not run is started for as long as the context lasts."""
    if bool(redis_url) == (data_dir is not None):
        raise SettingsError("redis_url: expected either --redis-url, or the --data-dir of an embedded store")
    if data_dir is None:
        yield redis_url
        return
    from presage_server.forgetting.embedded import embedded_url  # noqa: PLC0415

    with embedded_url(data_dir) as url:
        yield url


def _report(erased: Erased) -> None:
    _say(
        f"erased {erased.keys} keys and {erased.entries:,} stream entries in the store, "
        f"{erased.rows:,} rows in {erased.files} files of archives"
    )
    for path, rows in erased.others.items():
        _say(f"erased {rows:,} rows in {path}")
    for problem in erased.problems:
        _warn(problem)
    _report_findings(erased.left)


def _report_findings(findings: list[Finding]) -> None:
    left = [finding for finding in findings if not finding.is_new]
    for finding in left:
        _warn(f"LEFT: {finding.line()}")
    for finding in findings:
        if finding.is_new:
            _say(f"since the erasure: {finding.line()}")
    if not left:
        _say("nothing is left" if len(left) == len(findings) else "nothing of before is left; the visitor came back")


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Print expected errors as one line, and exit with 2."""
    try:
        yield
    except ServerError as error:
        _warn(str(error))
        sys.exit(2)


def _say(line: str) -> None:
    print(f"presage forget: {line}", flush=True)  # noqa: T201 - the command's output


def _warn(line: str) -> None:
    print(f"presage forget: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the command's output
