"""Which versions of which models a folder holds."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["find_versions", "is_version", "version_order"]

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")


def is_version(text: str) -> bool:
    """Tell whether a folder's name is a version: one to four numbers, as in 3 or 3.1."""
    return bool(_VERSION.fullmatch(text))


def version_order(version: str) -> tuple[int, ...]:
    """Return what orders versions by their numbers: 9 before 10, 2 before 2.1."""
    return tuple(int(part) for part in version.split("."))


def find_versions(directory: Path) -> dict[str, list[Path]]:
    """Find the bundles of a folder: for each model, in the order of names, the folders of its versions, the oldest first.

    Folders that are hidden are bundles that are being written; those whose names are no versions are left out, too.

    Raises:
        OSError: The folder cannot be read.
    """
    found = {}
    for folder in _folders(directory):
        versions = sorted((path for path in _folders(folder) if is_version(path.name)), key=_order)
        if versions:
            found[folder.name] = versions
    return found


def _folders(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*") if path.is_dir() and not path.name.startswith("."))


def _order(path: Path) -> tuple[int, ...]:
    return version_order(path.name)
