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
from presage_server.models.command_sign import new_key, sign

__all__ = ["models"]

_WIDE = 200
_MAX_WIDTH = 10_000
_IN_SHOW = ("trained on", "features")

models = typer.Typer(
    name="models",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


@models.callback()
def _models() -> None:
    """Look at the models that can be served, and change which versions serve which visitors."""


@models.command("list")
def _list(
    folder: Annotated[Path | None, typer.Argument(help="The same as --models.", show_default=False)] = None,
    models: Folder = None,
    project: Project = None,
) -> None:
    """List every version of every model, verified as a server does; exit code 2 if a bundle is broken."""
    # Imported here, so that the command's help does not wait for ONNX Runtime.
    from presage_export.registry import AliasesError, read_aliases, roles_of  # noqa: PLC0415
    from presage_server.errors import StartupError  # noqa: PLC0415
    from presage_server.models.loading import find_bundles, load_any_model  # noqa: PLC0415
    from presage_server.models.project import read_project  # noqa: PLC0415

    folder = folder_of(folder or models)
    # A file or a pipe has no width: nothing is folded there.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    console, errors = Console(width=wide, markup=False, emoji=False), Console(stderr=True, markup=False, emoji=False)
    rows: list[dict[str, str]] = []
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
            aliases = None
        for model in loaded:
            highest = aliases is not None and not aliases.champion and model is loaded[-1]
            roles = ["unknown"] if aliases is None else roles_of(aliases, model.version)
            manifest = model.bundle.manifest
            ranking = manifest.ranking
            ranks = ranking is not UNSET
            quality = manifest.metrics.get("ndcg_at_10" if ranks else "roc_auc")
            rows.append(
                {
                    "model": model.name,
                    "version": model.version,
                    "serves": "champion" if highest else "; ".join(roles),
                    "features": f"{manifest.feature_set.name} ({len(manifest.feature_set.features)})",
                    "predicts": str(
                        manifest.data.get("target", manifest.objective) if ranking is UNSET else ranking.question
                    ),
                    "trained on": str(manifest.data.get("source", "")),
                    "quality": "" if quality is None else f"{'NDCG@10' if ranks else 'ROC-AUC'} {quality:.3f}",
                }
            )
    if rows:
        _print_rows(console, rows)
    elif not broken:
        errors.print(
            f"presage models: no bundle found under {folder}; expected <name>/<version>/manifest.json", soft_wrap=True
        )
    if broken or not rows:
        sys.exit(2)


for _command in (show, verify, promote, rollback, split, shadow, pull, sign, new_key):
    models.command()(_command)


def _print_rows(console: Console, rows: list[dict[str, str]]) -> None:
    """Print a table; where it is too wide, without the columns that ``presage models show`` has, too."""
    left_out: list[str] = []
    while True:
        titles = [title for title in rows[0] if title not in left_out]
        whole = {"model", "version"}  # to be copied
        table = Table(*(Column(title, no_wrap=title in whole, overflow="fold") for title in titles), box=SIMPLE_HEAD)
        for row in rows:
            table.add_row(*(row[title] for title in titles))
        natural = console.measure(table, options=console.options.update(max_width=_MAX_WIDTH)).maximum
        if natural <= console.width or len(left_out) == len(_IN_SHOW):
            break
        left_out.append(_IN_SHOW[len(left_out)])
    console.print(table)
    if left_out:
        console.print(f"Too narrow for: {', '.join(left_out)}. presage models show has them.", soft_wrap=True)


# What compares versions needs the training side, which the server does not import.
for _entry in entry_points(group="presage.models_commands"):
    models.command(_entry.name)(_entry.load())
