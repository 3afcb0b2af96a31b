"""A bundle from elsewhere becomes the next version of a model: whole and verified, or not at all."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from presage_export.bundle import (
    BundleError,
    Manifest,
    copy_bundle,
    is_same_model,
    read_foreign_manifest,
    read_manifest,
)
from presage_export.registry import find_versions, is_version, version_order
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError
from presage_server.models.loading import load_any_model

__all__ = ["Placed", "find_bundle", "place_bundle"]

_MANIFEST = "manifest.json"


class Placed(NamedTuple):
    """Where a bundle lies now."""

    name: str
    version: str
    new: bool
    """False: the same model was there already, as this version."""


def find_bundle(folder: Path) -> Path:
    """Find the bundle in a folder: the folder itself, or the only one in it that has a manifest; raises ModelError."""
    if (folder / _MANIFEST).is_file():
        return folder
    found = [path.parent for path in sorted(folder.glob(f"*/{_MANIFEST}"))]
    if len(found) != 1:
        raise ModelError(
            f"expected one bundle, with a {_MANIFEST}, got {len(found) or 'none'}; register a bundle's folder"
        )
    return found[0]


def place_bundle(source: Path, directory: Path, name: str = "", custom: CustomFeatures | None = None) -> Placed:
    """Copy a bundle into a folder of bundles, as the version after the highest one.

    Args:
        source: The bundle, in a folder of any name.
        directory: The folder of bundles, <name>/<version>/.
        name: The model's name; the one in its manifest if empty.
        custom: The features of the project that it is to be served with.

    Raises:
        ModelError: It cannot be served.
        OSError: The folder cannot be written.
    """
    try:
        manifest = read_foreign_manifest(source)
    except BundleError as error:
        raise ModelError(f"the bundle cannot be served: {error.path.name}: {error.reason}") from error
    name = name or manifest.name
    try:
        replace(manifest, name=name)
    except ValueError as error:
        raise ModelError(f"the bundle cannot be placed: {error}; choose another with --name") from error
    versions = [path.name for path in find_versions(directory).get(name, [])] if directory.is_dir() else []
    for version in versions:
        if _holds(directory / name / version, manifest):
            return Placed(name, version, new=False)
    version = _next_version(versions, manifest)
    # Hidden, so that no server looks at it; and in the same file system, so that one step moves it.
    staged = directory / f".pull-{uuid.uuid4().hex}"
    try:
        copy_bundle(source, staged / name / version)
        load_any_model(staged / name / version, custom)
        (directory / name).mkdir(exist_ok=True)
        (staged / name / version).rename(directory / name / version)
    except BundleError as error:
        raise ModelError(f"the bundle cannot be served: {error.path.name}: {error.reason}") from error
    except ModelError as error:
        reason = str(error).replace(f"{staged}/", "")
        raise ModelError(f"the bundle cannot be served: {reason}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Placed(name, version, new=True)


def _holds(folder: Path, manifest: Manifest) -> bool:
    try:
        return is_same_model(manifest, read_manifest(folder))
    except BundleError:
        return False


def _next_version(versions: list[str], manifest: Manifest) -> str:
    if versions:
        return str(version_order(versions[-1])[0] + 1)
    return manifest.version if is_version(manifest.version) else "1"
