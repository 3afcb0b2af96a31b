"""Which versions of which models a folder holds."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

__all__ = ["find_versions", "is_version", "list_versions", "version_order"]

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_OF_THE_FILE_SYSTEM = "lost+found"
"""A folder of ext4, at the top of a volume; only root can read it."""


def is_version(text: str) -> bool:
    """Return whether a folder's name is a version: one to four numbers, as in 3 or 3.1."""
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
    return {
        name: [directory / name / version for version in sorted(versions, key=_order)]
        for name, versions in list_versions(directory).items()
    }


def list_versions(directory: Path) -> dict[str, dict[str, int]]:
    """List the bundles of a folder as ``find_versions`` finds them, in no order of versions, each with the inode of its folder.

    Raises:
        OSError: The folder cannot be read.
    """
    found = {}
    for folder in sorted(_folders(directory), key=_name):
        if folder.name == _OF_THE_FILE_SYSTEM:
            continue
        versions = {entry.name: entry.inode() for entry in _folders(folder.path) if is_version(entry.name)}
        if versions:
            found[folder.name] = versions
    return found


def _folders(directory: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return version_order(version), version
