"""``presage models``: what is in a folder of bundles."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from msgspec import UNSET
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from presage_server.settings import shipped_models

__all__ = ["models"]

models = typer.Typer(
    name="models",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


@models.callback()
def _models() -> None:
    """Look at the models that can be served."""


@models.command("list")
def _list(
    folder: Annotated[
        Path | None, typer.Argument(help="Bundles, NAME/VERSION/; the shipped ones if not given.")
    ] = None,
    project: Annotated[
        Path | None,
        typer.Option(
            envvar="PRESAGE_PROJECT",
            show_envvar=False,
            help="The folder of the project whose features the models were trained on.",
        ),
    ] = None,
) -> None:
    """List every version of every model, verified as a server does; exit code 2 if a bundle is broken."""
    # Imported here, so that the command's help does not wait for ONNX Runtime.
    from presage_server.errors import StartupError  # noqa: PLC0415
    from presage_server.models.loading import find_bundles, load_any_model  # noqa: PLC0415
    from presage_server.models.project import read_project  # noqa: PLC0415

    folder = folder or shipped_models()
    console, errors = Console(markup=False, emoji=False), Console(stderr=True, markup=False, emoji=False)
    whole = [Column(title, no_wrap=True) for title in ("model", "version")]  # to be copied
    facts = [Column(title, overflow="fold") for title in ("features", "predicts", "trained on", "quality")]
    table = Table(*whole, *facts, box=SIMPLE_HEAD)
    broken = 0
    try:
        custom = read_project(str(project)) if project else None
        found = find_bundles(folder)
    except StartupError as error:
        errors.print(f"presage models: {error}", soft_wrap=True)
        sys.exit(2)
    for versions in found.values():
        for bundle in versions:
            try:
                model = load_any_model(bundle, custom)
            except StartupError as error:
                broken += 1
                errors.print(f"presage models: {error}", soft_wrap=True)
                continue
            manifest = model.bundle.manifest
            ranking = manifest.ranking
            ranks = ranking is not UNSET
            quality = manifest.metrics.get("ndcg_at_10" if ranks else "roc_auc")
            table.add_row(
                model.name,
                model.version,
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
