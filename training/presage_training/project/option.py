"""The option ``--project`` of the training side's commands."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import typer

from presage_training.errors import ProjectError
from presage_training.project.training_file import read_training_file

__all__ = ["project_option"]


def project_option(keys: Collection[str]) -> Any:
    """Declare the option.

    Args:
        keys: The keys of ``training.toml`` that become defaults of the command's options; flags and variables win over them.
    """

    def take_defaults(context: typer.Context, folder: Path | None) -> Path | None:
        if folder is None:
            return None
        try:
            values = read_training_file(folder / "training.toml")
        except ProjectError as error:
            print(f"presage {context.info_name}: {error}", file=sys.stderr)  # noqa: T201
            raise typer.Exit(2) from error
        context.default_map = {key: value for key, value in values.items() if key in keys}
        return folder

    return typer.Option(
        "--project",
        metavar="DIR",
        envvar="PRESAGE_PROJECT",
        show_envvar=False,
        is_eager=True,  # read before the other options, whose defaults it changes
        callback=take_defaults,
        help="A folder that `presage init` made: own features, the log's mapping, training.toml. Other options win over it.",
    )
