"""What a learner changes in the folder of a model: versions put in place, and aliases."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from presage_export.bundle import read_manifest
from presage_export.registry import find_versions, read_changes, version_order
from presage_training.errors import LearningError
from presage_training.learning.prior import PRIOR_KIND

__all__ = ["find_prior", "is_prior", "locked", "next_version", "present_versions", "put_in_place", "work_folder"]

_WORK: Final = ".learning"
_LOCK: Final = ".learning.lock"


def present_versions(folder: Path) -> list[Path]:
    """Return the versions of a model, the oldest first."""
    return find_versions(folder.parent).get(folder.name, [])


def next_version(folder: Path) -> str:
    """Return a number above those of all versions that are there or ever served."""
    known = [path.name for path in present_versions(folder)]
    for change in read_changes(folder):
        known += [*change.before.versions, *change.after.versions]
    return str(max((version_order(version)[0] for version in known), default=0) + 1)


def find_prior(folder: Path) -> str:
    """Return the newest version that is a prior; empty if there is none."""
    return next((path.name for path in reversed(present_versions(folder)) if is_prior(path)), "")


def is_prior(directory: Path) -> bool:
    """Return whether a bundle is a prior."""
    return read_manifest(directory).data.get("kind") == PRIOR_KIND


def put_in_place(made: Path, folder: Path) -> Path:
    """Move a bundle from the work folder, which is on the same disk, to its place: whole or not at all."""
    return made.rename(folder / made.name)


@contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder that servers do not look at; what an ended learner left in it is removed."""
    work = folder / _WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other learners from a model.

    Raises:
        LearningError: There is one already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LearningError(f"{folder}: another presage learn works on this model; end it first") from error
        yield
