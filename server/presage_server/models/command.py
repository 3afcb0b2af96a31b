"""``presage models``: what is in a folder of bundles, and which versions of it serve."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import UNSET
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from presage_server.models.command_change import promote, rollback, shadow, split
from presage_server.models.command_options import Folder, Project, folder_of
from presage_server.models.command_pull import pull
from presage_server.models.command_show import show, verify

__all__ = ["models"]

_WIDE = 200

models = typer.Typer(
    name="models",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


@models.callback()
def _models() -> None:
    """Look at the models that can be served, and change which versions serve whom."""


for _command in (show, verify, promote, rollback, split, shadow, pull):
    models.command()(_command)


@models.command("list")
def _list(
    folder: Annotated[Path | None, typer.Argument(help="The same as --models.", show_default=False)] = None,
    models: Folder = None,
    project: Project = None,
) -> None:
    """List every version of every model, verified as a server does; exit code 2 if a bundle is broken."""
    # Imported here, so that the command's help does not wait for ONNX Runtime.
    from presage_export.registry import Aliases, AliasesError, read_aliases, roles_of  # noqa: PLC0415
    from presage_server.errors import StartupError  # noqa: PLC0415
    from presage_server.models.loading import find_bundles, load_any_model  # noqa: PLC0415
    from presage_server.models.project import read_project  # noqa: PLC0415

    folder = folder_of(folder or models)
    # A file or a pipe has no width: nothing is folded there.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    console, errors = Console(width=wide, markup=False, emoji=False), Console(stderr=True, markup=False, emoji=False)
    whole = [Column(title, no_wrap=True) for title in ("model", "version")]  # to be copied
    facts = [Column(title, overflow="fold") for title in ("serves", "features", "predicts", "trained on", "quality")]
    table = Table(*whole, *facts, box=SIMPLE_HEAD)
    broken = 0
    try:
        custom = read_project(str(project)) if project else None
        found = find_bundles(folder)
    except StartupError as error:
        errors.print(f"presage models: {error}", soft_wrap=True)
        sys.exit(2)
    for name, versions in found.items():
        loaded: list[Any] = []
        for bundle in versions:
            try:
                loaded.append(load_any_model(bundle, custom))
            except StartupError as error:
                broken += 1
                errors.print(f"presage models: {error}", soft_wrap=True)
        try:
            aliases = read_aliases(folder / name)
        except AliasesError as error:
            broken += 1
            errors.print(f"presage models: {error}", soft_wrap=True)
            aliases = Aliases()
        for model in loaded:
            highest = not aliases.champion and model is loaded[-1]
            manifest = model.bundle.manifest
            ranking = manifest.ranking
            ranks = ranking is not UNSET
            quality = manifest.metrics.get("ndcg_at_10" if ranks else "roc_auc")
            table.add_row(
                model.name,
                model.version,
                "champion" if highest else "; ".join(roles_of(aliases, model.version)),
                f"{manifest.feature_set.name} ({len(manifest.feature_set.features)})",
                ranking.question if ranking is not UNSET else str(manifest.data.get("target", manifest.objective)),
                str(manifest.data.get("source", "")),
                "" if quality is None else f"{'NDCG@10' if ranks else 'ROC-AUC'} {quality:.3f}",
            )
    if table.row_count:
        console.print(table)
    elif not broken:
        errors.print(
            f"presage models: no bundle found under {folder}; expected <name>/<version>/manifest.json", soft_wrap=True
        )
    if broken or not table.row_count:
        sys.exit(2)


# What compares versions needs the training side, which the server does not import.
for _entry in entry_points(group="presage.models_commands"):
    models.command(_entry.name)(_entry.load())
