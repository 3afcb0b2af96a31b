"""Writes a folder as a whole or not at all."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from presage_training.report.page import render_page
from presage_training.report.results import Results, encode_results

__all__ = ["PAGE_FILE", "RESULTS_FILE", "arriving_folder", "check_place", "write_results"]

RESULTS_FILE = "results.json"
PAGE_FILE = "report.html"


def write_results(folder: Path, results: Results) -> None:
    """Write ``results.json`` and ``report.html`` into an existing folder."""
    (folder / RESULTS_FILE).write_bytes(encode_results(results))
    (folder / PAGE_FILE).write_text(render_page(results), encoding="utf-8")


def check_place(folder: Path) -> None:
    """Check before the work that a folder can be created or replaced; leaves nothing behind.

    Raises:
        OSError: It cannot be created; the error names the folder.
    """
    made = [parent for parent in folder.parents if not parent.exists()]
    probe = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.new")
    try:
        _make(probe, folder)
        probe.rmdir()
    finally:
        _remove_empty(made)


@contextmanager
def arriving_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling to write into, and rename it at the end; on any error nothing is left behind.

    Args:
        folder: The final name; its parents are created.
        overwrite: Whether to replace the folder, with all its contents, if it exists.

    Raises:
        OSError: It cannot be written, or exists already.
    """
    made = [parent for parent in folder.parents if not parent.exists()]
    unique = uuid.uuid4().hex
    arriving = folder.with_name(f".{folder.name}.{unique}.new")
    leaving = folder.with_name(f".{folder.name}.{unique}.old")
    arrived = False
    try:
        _make(arriving, folder)
        yield arriving
        # A rename does not replace a folder with content, so one created in the meantime stays.
        if overwrite and folder.exists():
            folder.rename(leaving)
        try:
            arriving.rename(folder)
        except OSError:
            if leaving.exists():
                leaving.rename(folder)
            raise
        arrived = True
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.rmtree(leaving, ignore_errors=True)
        if not arrived:
            _remove_empty(made)


def _make(temporary: Path, folder: Path) -> None:
    """Create the temporary sibling; errors name the folder."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is there, and no folder", str(folder))
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _remove_empty(folders: list[Path]) -> None:
    """Remove empty folders, innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
