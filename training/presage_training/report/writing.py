"""A folder that is there whole or not at all."""

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
    """Write ``results.json`` and ``report.html`` into a folder that is there."""
    (folder / RESULTS_FILE).write_bytes(encode_results(results))
    (folder / PAGE_FILE).write_text(render_page(results), encoding="utf-8")


def check_place(folder: Path) -> None:
    """Check that a folder can be made or replaced, so that this is found out before the work and not after; leaves nothing.

    Raises:
        OSError: It cannot; the error names the folder.
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
    """Give a temporary sibling to write into, and rename it once that is done; whatever ends it early leaves nothing behind.

    Args:
        folder: Its final name; its parents are made.
        overwrite: Whether to replace it, with all its contents, if it is there by then.

    Raises:
        OSError: It cannot be written, or is there already.
    """
    made = [parent for parent in folder.parents if not parent.exists()]
    unique = uuid.uuid4().hex
    arriving = folder.with_name(f".{folder.name}.{unique}.new")
    leaving = folder.with_name(f".{folder.name}.{unique}.old")
    arrived = False
    try:
        _make(arriving, folder)
        yield arriving
        # A rename replaces no folder that holds something, so that one made in the meantime stays.
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
    """Make the temporary sibling of a folder; its user knows the folder only."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is there, and no folder", str(folder))
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders, innermost first, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
