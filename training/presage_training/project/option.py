"""The option ``--project`` of the training side's commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from presage_training.errors import ProjectError
from presage_training.project.training_file import LOG_KEYS, MEASURING_KEYS, read_training_file

__all__ = ["ProjectOption"]

_KEYS = {"train": None, "evaluate": MEASURING_KEYS, "replay": LOG_KEYS, "audit": frozenset[str]()}
"""The keys of ``training.toml`` that become defaults of a command's options; None for all."""


def _take_defaults(context: typer.Context, folder: Path | None) -> Path | None:
    """Make what ``training.toml`` says the default of the command's other options."""
    if folder is None:
        return None
    try:
        values = read_training_file(folder / "training.toml")
    except ProjectError as error:
        print(f"presage {context.info_name}: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(2) from error
    keys = _KEYS.get(context.info_name or "")
    context.default_map = {key: value for key, value in values.items() if keys is None or key in keys}
    return folder


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        envvar="PRESAGE_PROJECT",
        show_envvar=False,
        # Read before the other options, whose defaults it changes.
        is_eager=True,
        callback=_take_defaults,
        help="A folder that `presage init` made: own features, the mapping of the log, training.toml. Other options win over it.",
    ),
]
"""The option; flags and variables win over ``training.toml``."""
