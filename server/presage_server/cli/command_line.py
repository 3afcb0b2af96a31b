"""The ``presage`` command. Sub-commands are entry points of the group ``presage.commands``."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from rich.console import Console

from presage_server.cli.version import version

__all__ = ["main"]

_ORDER = (
    "serve",
    "demo",
    "init",
    "inspect",
    "replay",
    "items",
    "archive",
    "backfill",
    "forget",
    "audit",
    "train",
    "evaluate",
    "rank",
    "learn",
    "models",
    "drift",
    "console",
    "health",
    "tokens",
    "doctor",
    "version",
)
_LIBRARIES_OF_EXTRAS = {
    "jinja2": "console",
    "lightgbm": "train",
    "onnx": "train",
    "pyarrow": "train",
    "sklearn": "train",
    "starlette": "console",
    "uvicorn": "console",
}


class _Commands(typer.core.TyperGroup):
    """Imports a sub-command only when it is used, so that ``presage serve`` does not load the training libraries."""

    def list_commands(self, _ctx: Any) -> list[str]:
        found = _entry_points()
        return [name for name in _ORDER if name in found] + sorted(set(found) - set(_ORDER))

    def get_command(self, _ctx: Any, name: str) -> Any:
        found = _entry_points().get(name)
        if found is None:
            return None
        command = found.load()
        if isinstance(command, typer.Typer):  # it has sub-commands of its own
            return typer.main.get_command(command)
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
        single.command(name)(command)
        return typer.main.get_command(single)


def main() -> None:
    """Run the command; a missing library of an extra ends it with exit code 2 and the extra's name."""
    app = typer.Typer(
        cls=_Commands,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_presage)
    try:
        app()
    except ModuleNotFoundError as error:
        extra = _LIBRARIES_OF_EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        Console(stderr=True).print(
            f"presage: this command needs {error.name}: pip install 'presage-scoring[{extra}]'", markup=False
        )
        sys.exit(2)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        version()
        raise typer.Exit


def _presage(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print Presage's version.")
    ] = False,
) -> None:
    """Score visitors by their latest actions: events over gRPC, state in Redis, models in ONNX Runtime."""


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="presage.commands")}
