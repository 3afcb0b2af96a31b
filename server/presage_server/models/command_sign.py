"""``presage models sign`` and ``new-key``: who vouches for a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from presage_server.models.command_options import Folder, Name, Project, errors_shown, folder_to_change, say

__all__ = ["new_key", "sign"]


def sign(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version.", show_default=False)],
    *,
    key: Annotated[Path, typer.Option(help="The private key, Ed25519 in PEM.", show_default=False)],
    models: Folder = None,
    project: Project = None,
) -> None:
    """Verify a bundle as a server does, and sign it, for servers with `--require-signature`.

    Needs the extra `signing`. Signatures of other keys stay. A copy under another name or version needs a signature of its own.
    """
    with errors_shown("sign"):
        from presage_export.bundle import BundleError, SigningKeyError, sign_bundle  # noqa: PLC0415 - as for others
        from presage_server.errors import ModelError  # noqa: PLC0415
        from presage_server.models.loading import load_any_model  # noqa: PLC0415
        from presage_server.models.project import read_project  # noqa: PLC0415

        directory = folder_to_change(models) / name / version
        load_any_model(directory, read_project(str(project)) if project else None)
        try:
            key_id = sign_bundle(directory, key)
        except (SigningKeyError, BundleError) as error:
            raise ModelError(str(error)) from error
        say(f"presage models sign: {name} {version} is signed by key {key_id}")


def new_key(
    path: Annotated[
        Path, typer.Argument(help="Where to write the private key; the public one is beside it.", show_default=False)
    ],
) -> None:
    """Make a key for `presage models sign`. Keep the private one off the servers.

    Needs the extra `signing`.
    """
    with errors_shown("new-key"):
        from presage_export.bundle import SigningKeyError, make_key  # noqa: PLC0415 - the command's help is quick
        from presage_server.errors import ModelError  # noqa: PLC0415

        try:
            key_id, public = make_key(path)
        except SigningKeyError as error:
            raise ModelError(str(error)) from error
        say(f"presage models new-key: key {key_id}: {path} signs, {public} is for servers")
