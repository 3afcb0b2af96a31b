"""What the commands of ``presage models`` have in common: options, errors, and the folder that they work on."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from presage_server.settings import shipped_models

__all__ = [
    "By",
    "Folder",
    "Name",
    "Project",
    "Reason",
    "errors_shown",
    "find_named",
    "folder_of",
    "folder_to_change",
    "operator",
    "say",
]

Folder = Annotated[
    Path | None,
    typer.Option(
        "--models",
        envvar="PRESAGE_MODELS",
        show_envvar=False,
        help="The folder of bundles, NAME/VERSION/. To look at: the shipped ones if not given.",
    ),
]
Project = Annotated[
    Path | None,
    typer.Option(
        envvar="PRESAGE_PROJECT",
        show_envvar=False,
        help="The folder of the project whose features the models were trained on.",
    ),
]
Name = Annotated[str, typer.Argument(help="The model's name.", show_default=False)]
By = Annotated[str, typer.Option("--by", help="Who changes it, for the history; your login name if not given.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.")]


def folder_of(given: Path | None) -> Path:
    """Return the folder to look at."""
    return given or shipped_models()


def folder_to_change(given: Path | None) -> Path:
    """Return the folder to change, which is never the installed package's by default; raises ModelError."""
    from presage_server.errors import ModelError  # noqa: PLC0415 - the help of commands does not need it

    if given is None:
        raise ModelError("models: expected the folder of bundles that servers use, with --models or in PRESAGE_MODELS")
    return given


def find_named(folder: Path, name: str) -> list[str]:
    """Return the versions of a model, the oldest first; raises ModelError."""
    from presage_server.errors import ModelError  # noqa: PLC0415
    from presage_server.models.registry import find_model  # noqa: PLC0415

    before, slash, after = name.rpartition("/")
    if slash:
        raise ModelError(f"model: expected a name and a version apart, as in: {before} {after}, got {name!r}")
    return find_model(folder, name)


def operator(given: str) -> str:
    """Return who works here."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container, whose user has no name
        return f"uid {os.getuid()}"


def say(line: str) -> None:
    """Print a line, which may be read by a program."""
    print(line, flush=True)  # noqa: T201 - the command's output


@contextmanager
def errors_shown(command: str) -> Iterator[None]:
    """Print expected errors as one line, and exit with 2."""
    from presage_export.registry import AliasesError  # noqa: PLC0415 - the help of commands needs neither
    from presage_server.errors import StartupError  # noqa: PLC0415

    try:
        yield
    except (StartupError, AliasesError) as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        return
    print(f"presage models {command}: {message}", file=sys.stderr)  # noqa: T201 - the command's output
    sys.exit(2)
