"""The files of a log: one, all of a folder, or those that match a pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import glob, has_magic
from pathlib import Path

from presage_featurizer.events import Event
from presage_training.errors import LogFormatError
from presage_training.readers.files.opening import COMPRESSIONS
from presage_training.readers.files.tables import LOG_SUFFIXES, VAGUE_SUFFIXES, file_stem, is_vague
from presage_training.readers.files.zip_files import ZIP, files_in_zip, split_zip_path
from presage_training.readers.progress import ReadProgress
from presage_training.readers.skipped_rows import SkippedRows

_EXPECTED = f"Expected files that end with {', '.join((*LOG_SUFFIXES, *VAGUE_SUFFIXES))}."

__all__ = ["LogPart", "log_parts", "read_parts"]


@dataclass(frozen=True, slots=True)
class LogPart:
    """One file of a log."""

    path: Path
    stem: str
    """The name that ids of events without one begin with; no two files of a log have the same."""


def log_parts(path: Path) -> list[LogPart]:
    """Return the files of a log in the order of their names.

    Args:
        path: A file; a folder, whose files of rows are taken at any depth; or a pattern such as ``logs/2019-*.csv``. Hidden files,
            and those whose names begin with ``_``, are not taken from a folder. A zip file of several files is like a folder.

    Raises:
        LogFormatError: if a folder or a pattern leads to no file, or to two whose names differ in their suffixes only.
    """
    if path.is_dir():
        files = [
            Path(name) for name in _rows([str(file) for file in sorted(path.rglob("*")) if _is_listed(file, path)])
        ]
        if not files:
            raise LogFormatError(path, "the folder holds no log", advice=_EXPECTED)
        return _named(path, path, _unzipped(files))
    if not path.exists() and has_magic(str(path)):
        files = _matching(path)
        if not files:
            raise LogFormatError(
                path, "no file matches the pattern", advice="Name a file, a folder or another pattern."
            )
        fixed = next(folder for folder in path.parents if not has_magic(str(folder)))
        return _named(path, fixed, _unzipped(files))
    if path.suffix.lower() == ZIP and path.is_file():
        files = _unzipped([path])
        if files != [path]:
            return _named(path, path, files)
    return [LogPart(path, file_stem(path))]


def read_parts(
    parts: Sequence[LogPart],
    read: Callable[[LogPart], Iterator[Event]],
    *,
    skipped: SkippedRows,
    progress: ReadProgress | None,
) -> Iterator[Event]:
    """Read the files of a log one after the other; examples of skipped rows name the file if there are several."""
    for number, part in enumerate(parts):
        skipped.file = part.path.name if len(parts) > 1 else ""
        if progress:
            progress.start_file(number, len(parts))
        yield from read(part)


def _matching(pattern: Path) -> list[Path]:
    zip_file, inner = split_zip_path(pattern)
    if inner:
        return [zip_file / name for name in files_in_zip(zip_file) if fnmatch(name, inner)]
    return sorted(
        file
        for name in glob(str(pattern), recursive=True)  # noqa: PTH207 - the pattern may be absolute
        if (file := Path(name)).is_file()
    )


def _unzipped(files: list[Path]) -> list[Path]:
    """Replace zip files by the files of rows in them, unless they hold a single file."""
    found: list[Path] = []
    for file in files:
        names = files_in_zip(file) if file.suffix.lower() == ZIP else []
        if len(names) < 2:
            found.append(file)
            continue
        if not (rows := [name for name in _rows(names) if not name.lower().endswith(ZIP)]):
            raise LogFormatError(file, "holds no log", advice=_EXPECTED)
        found += [file / name for name in rows]
    return found


def _rows(names: list[str]) -> list[str]:
    """Return the names of files of rows; those that may be other text, such as ``README.txt``, only if there are no others."""
    rows = [name for name in names if _suffix(name) in {*LOG_SUFFIXES, ZIP}]
    return rows or [name for name in names if is_vague(_suffix(name))]


def _is_listed(file: Path, folder: Path) -> bool:
    return file.is_file() and not any(name.startswith((".", "_")) for name in file.relative_to(folder).parts)


def _suffix(name: str) -> str:
    """Return the suffix of a file without that of its compression; of a zip file, its own."""
    path = Path(name)
    is_compressed = path.suffix.lower() in COMPRESSIONS and path.suffix.lower() != ZIP
    return (Path(path.stem) if is_compressed else path).suffix.lower()


def _named(path: Path, folder: Path, files: list[Path]) -> list[LogPart]:
    parts = [LogPart(file, str((file.parent / file_stem(file)).relative_to(folder))) for file in files]
    stems: dict[str, Path] = {}
    for part in parts:
        if part.stem in stems:
            problem = f"{stems[part.stem].name} and {part.path.name} look like the same file twice"
            raise LogFormatError(path, problem, advice="Remove one of them, or rename it.")
        stems[part.stem] = part.path
    return parts
