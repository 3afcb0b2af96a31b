"""Files in zip files; ``logs.zip/day.csv`` is the path of ``day.csv`` in ``logs.zip``."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

from presage_training.errors import LogFormatError

__all__ = ["ZIP", "files_in_zip", "open_in_zip", "split_zip_path", "zip_member"]

ZIP = ".zip"
"""The suffix of zip files."""

_WRITE_AGAIN = "Download or write it again."


def split_zip_path(path: Path) -> tuple[Path, str]:
    """Split a path at a zip file in it; the second part is empty if the path does not lead into one."""
    for parent in path.parents:
        if parent.suffix.lower() == ZIP and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, ""


def files_in_zip(path: Path) -> list[str]:
    """Return the names of the files in a zip file, in their order.

    Raises:
        OSError: if it cannot be opened.
        LogFormatError: if it is damaged.
    """
    with path.open("rb") as source, _opened(path, source) as archive:
        return _names(archive)


def zip_member(path: Path) -> str:
    """Return the name of the file that a path names: the rest of a path into a zip file, or the only file of one.

    Raises:
        OSError: if the zip file cannot be opened.
        LogFormatError: if it is damaged, does not have the file, or has several and the path names none.
    """
    outer, inner = split_zip_path(path)
    names = files_in_zip(outer)
    if not inner and len(names) == 1:
        return names[0]
    if not inner:
        problem = f"holds {len(names)} files, expected one"
        raise LogFormatError(path, problem, advice=f"Name one, as {path}/{names[0] if names else '…'}.")
    if inner not in names:
        raise LogFormatError(outer, f"holds no file {inner!r}", advice=f"It holds {', '.join(names[:12]) or 'none'}.")
    return inner


def open_in_zip(path: Path, source: BinaryIO) -> io.RawIOBase:
    """Return the content of the file that a path names; ``source`` is the open zip file. Raises as ``zip_member`` does."""
    member = zip_member(path)
    try:
        return cast("io.RawIOBase", _opened(path, source).open(member))
    except zipfile.BadZipFile as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=_WRITE_AGAIN) from error
    except RuntimeError as error:  # encrypted; NotImplementedError, of an unknown method, is one, too
        advice = "Unpack it, or write it again without a password and with the usual compression."
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=advice) from error


def _opened(path: Path, source: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except zipfile.BadZipFile as error:
        raise LogFormatError(path, f"cannot be unpacked ({error})", advice=_WRITE_AGAIN) from error


def _names(archive: zipfile.ZipFile) -> list[str]:
    # Archives made on a Mac also hold its own notes about files.
    return sorted(name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/"))
