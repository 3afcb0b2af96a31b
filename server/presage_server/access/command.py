"""``presage tokens``: who may call a server that is started with ``--tokens-file``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:  # imported late, as the help of commands needs neither gRPC nor msgspec
    from presage_server.access.tokens import Token

__all__ = ["tokens"]

_NO_SCOPE = "none"

tokens = typer.Typer(
    name="tokens",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

_File = Annotated[
    Path,
    typer.Option("--tokens-file", envvar="PRESAGE_TOKENS_FILE", help="The tokens file of the servers."),
]
_Name = Annotated[str, typer.Argument(help="Whose token it is, for people and metrics.", show_default=False)]


@tokens.callback()
def _tokens() -> None:
    """Add and remove the tokens that callers need. Running servers notice within two seconds."""


@tokens.command("add")
def _add(
    name: _Name,
    tokens_file: _File,
    scopes: Annotated[
        str,
        typer.Option(
            help="What it allows, with commas between: `track` (send events), `score` (read scores, features and lists), `admin` "
            "(models and the catalogue); or `none`: only what asks for any token, such as metrics.",
        ),
    ],
    calls_per_second: Annotated[
        float, typer.Option(min=0.0, help="How many calls it may make; 0: as many as the server can answer.")
    ] = 0.0,
    burst: Annotated[
        int, typer.Option(min=0, help="How many of them may come at once after a pause; 0: those of one second.")
    ] = 0,
) -> None:
    """Make a token and print it, only this once: the file keeps only its digest.

    To replace a token, add one under another name, give it to the caller, and remove the old one when
    `presage_token_calls_total` no longer counts any calls with it.
    """
    from presage_server.access.editing import change_tokens  # noqa: PLC0415
    from presage_server.access.tokens import digest_of, make_token, new_token  # noqa: PLC0415
    from presage_server.errors import TokensError  # noqa: PLC0415

    secret = new_token()
    with _errors_shown("add"):
        made = make_token(
            name=name,
            scopes=_parse_scopes(scopes),
            sha256=digest_of(secret.encode()).hex(),
            calls_per_second=calls_per_second,
            burst=burst,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

        def added(present: Sequence[Token]) -> Sequence[Token]:
            if any(token.name == made.name for token in present):
                raise TokensError(f"{tokens_file} has a token {made.name} already; choose another name, or remove it")
            return [*present, made]

        change_tokens(tokens_file, added)
    print(secret)  # noqa: T201 - on standard output alone, so that it can go into a file
    _errors().print(f"presage tokens add: {name} is in {tokens_file}; the token is shown only this once")


@tokens.command("list")
def _list(tokens_file: _File) -> None:
    """List the tokens' names, scopes and rates."""
    from rich.table import Table  # noqa: PLC0415

    from presage_server.access.tokens import read_tokens  # noqa: PLC0415

    with _errors_shown("list"):
        found = read_tokens(tokens_file)
    table = Table("name", "scopes", "calls per second", "burst", "made")
    for token in found:
        rate = f"{token.calls_per_second:g}" if token.calls_per_second else "any"
        burst = f"{token.burst}" if token.burst else ""
        table.add_row(token.name, ", ".join(token.scopes) or _NO_SCOPE, rate, burst, token.created)
    Console(markup=False, emoji=False).print(table)


@tokens.command("remove")
def _remove(name: _Name, tokens_file: _File) -> None:
    """Remove a token: calls with it are rejected within two seconds."""
    from presage_server.access.editing import change_tokens  # noqa: PLC0415
    from presage_server.errors import TokensError  # noqa: PLC0415

    def removed(present: Sequence[Token]) -> Sequence[Token]:
        left = [token for token in present if token.name != name]
        if len(left) == len(present):
            names = ", ".join(token.name for token in present) or "none"
            raise TokensError(f"{tokens_file}: expected one of its tokens ({names}), got {name!r}")
        return left

    with _errors_shown("remove"):
        change_tokens(tokens_file, removed)
    _errors().print(f"presage tokens remove: {name} is no longer in {tokens_file}")


def _parse_scopes(text: str) -> list[str]:
    from presage_server.access.scopes import Scope  # noqa: PLC0415
    from presage_server.errors import TokensError  # noqa: PLC0415

    if text == _NO_SCOPE:
        return []
    scopes = list(dict.fromkeys(scope.strip() for scope in text.split(",")))
    known = [scope.value for scope in Scope]
    if unknown := [scope for scope in scopes if scope not in known]:
        raise TokensError(
            f"scopes: expected some of {', '.join(known)} with commas between, or {_NO_SCOPE}, got {unknown[0]!r}"
        )
    return scopes


def _errors() -> Console:
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def _errors_shown(command: str) -> Iterator[None]:
    """End with one line and exit code 2 on what the operator can correct."""
    from presage_server.errors import StartupError  # noqa: PLC0415

    try:
        yield
    except StartupError as error:
        _errors().print(f"presage tokens {command}: {error}")
        sys.exit(2)
