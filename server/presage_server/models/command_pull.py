"""``presage models pull``: a bundle from a registry of MLflow becomes the next version."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from presage_server.models.command_options import Folder, Project, errors_shown, folder_to_change, say

__all__ = ["pull"]


def pull(
    reference: Annotated[
        str, typer.Argument(metavar="mlflow:NAME@ALIAS", help="The registered model and its alias.", show_default=False)
    ],
    *,
    name: Annotated[
        str, typer.Option(help="The model's name here; the one in the bundle if not given.", show_default=False)
    ] = "",
    tracking_uri: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_TRACKING_URI",
            show_envvar=False,
            help="MLflow's server, http:// or https://.",
            show_default=False,
        ),
    ] = "",
    models: Folder = None,
    project: Project = None,
) -> None:
    """Download a bundle from MLflow, verify it, and place it as the next version of its model.

    Needs the extra `mlflow`. No alias is changed, so it serves at once only where no alias names a champion. Pulled again, the same
    bundle is not placed twice.
    """
    with errors_shown("pull"), TemporaryDirectory(prefix="presage-pull-") as temporary:
        from presage_export.registry import read_aliases  # noqa: PLC0415 - the command's help is quick
        from presage_server.models.mlflow_registry import download_bundle, parse_reference  # noqa: PLC0415
        from presage_server.models.placing import find_bundle, place_bundle  # noqa: PLC0415
        from presage_server.models.project import read_project  # noqa: PLC0415

        parsed = parse_reference(reference)
        folder = folder_to_change(models)
        custom = read_project(str(project)) if project else None
        downloaded, theirs = download_bundle(parsed, Path(temporary), tracking_uri)
        placed = place_bundle(find_bundle(downloaded), folder, name, custom)
        where = f"{reference}, version {theirs} there"
        if not placed.new:
            say(f"presage models pull: {where}, is {placed.name} {placed.version} already; nothing was changed")
            return
        say(f"presage models pull: {where}, is {placed.name} {placed.version} now")
        if read_aliases(folder / placed.name).champion:
            say(f"presage models pull: try it with presage models split {placed.name} {placed.version} 0.1")
        else:
            say(f"presage models pull: no alias of {placed.name} names a champion, so its highest version serves")
