"""What a folder of bundles holds, looked at again and again: which versions are complete, and which are still being copied.

By polling, because the events of a file system do not cross a network or a container's mounts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from presage_export.registry import (
    ALIASES_FILE,
    Aliases,
    AliasesError,
    list_versions,
    read_aliases,
    read_change_log,
    version_order,
)
from presage_server.errors import ModelError
from presage_server.models.choosing import ModelFolder
from presage_server.models.unread import is_of_the_moment

__all__ = ["FolderWatch", "FoundVersion", "read_history"]

_logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 64 << 20
_INCOMPLETE_LOOKS = 10
"""A copy that lacks a file, and has not grown for this many looks, is reported."""
_ROUND_LOOKS = 60
"""In how many looks the files of all versions are looked at, also of those that nothing is expected of."""

Files = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of the last change and inode of each file."""
Stamp = tuple[int, int, int]
"""Size, time of the last change and inode of a file; zeros without one."""
_UNREAD: Stamp = (-1, 0, 0)
"""In place of the stamp of a file that could not be read."""
Key = tuple[str, str]
"""A model's name and a version."""


class FoundVersion:
    """A version as it was last seen."""

    def __init__(self, inode: int, files: Files, *, settled: bool) -> None:
        self.inode = inode
        """Of its folder."""
        self.files = files
        """As they were at the last look."""
        self.looks = 2 if settled else 1
        """For how many looks in a row they have been so."""
        self.missing = ""
        """The first file that is missing; empty if none is."""

    @property
    def settled(self) -> bool:
        """Whether it can be verified: nothing is missing, and nothing has changed since the look before."""
        return self.looks > 1 and not self.missing

    @property
    def stuck(self) -> bool:
        """Whether it seems to stay incomplete."""
        return bool(self.missing) and self.looks > _INCOMPLETE_LOOKS


class FolderWatch:
    """Looks at a folder of bundles, <name>/<version>/. All methods are for one thread.

    Args:
        directory: The folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.found: dict[Key, FoundVersion] = {}
        """By name and version, as of the last look."""
        self._aliases: dict[str, _SeenAliases] = {}
        self._versions: dict[str, tuple[str, ...]] = {}
        """Of each model, in order."""
        self._gone: set[Key] = set()
        self._looks = 0

    @property
    def _first(self) -> bool:
        return not self._looks

    def look(self, also: Collection[Key] = ()) -> dict[str, ModelFolder]:
        """Look at the folder; what is found at the first look counts as complete.

        The files are looked at of what aliases name, of the highest version, and of what is new or not complete; of other versions
        only now and then, for there may be thousands.

        Args:
            also: Versions whose files are to be looked at, too.

        Raises:
            ModelError: It cannot be read.
        """
        try:
            listed = list_versions(self.directory)
        except OSError as error:
            raise ModelError(f"models: {error.filename or self.directory} cannot be read: {error.strerror}") from error
        inodes = {(name, version): inode for name, versions in listed.items() for version, inode in versions.items()}
        # One that is gone may be about to be replaced: it counts as it was for another look.
        kept = {key: found for key, found in self.found.items() if key not in inodes and key not in self._gone}
        self._versions = self._in_order([*inodes, *kept])
        self._aliases = {name: seen for name, seen in self._aliases.items() if name in self._versions}
        folders = {
            name: ModelFolder(
                versions, self._read_aliases(self.directory / name), partial(read_history, self.directory / name)
            )
            for name, versions in self._versions.items()
        }
        watched, turn = {*also, *_expected(folders)}, self._looks % _ROUND_LOOKS
        now = {}
        for number, (key, inode) in enumerate(inodes.items()):
            before = self.found.get(key)
            is_expected = key in watched or number % _ROUND_LOOKS == turn
            if before is None or before.inode != inode or not before.settled or is_expected:
                before = self._look_at(key, inode, before)
            now[key] = before
        self.found, self._gone = now | kept, set(kept)
        self._looks += 1
        return folders

    def _in_order(self, keys: Iterable[Key]) -> dict[str, tuple[str, ...]]:
        """Order versions by their numbers; those of a model that has the same as before are in order."""
        versions: dict[str, list[str]] = {}
        for name, version in keys:
            versions.setdefault(name, []).append(version)
        return {
            name: before
            if set(before := self._versions.get(name, ())) == set(versions[name])
            else tuple(sorted(versions[name], key=lambda version: (version_order(version), version)))
            for name in sorted(versions)
        }

    def _look_at(self, key: Key, inode: int, before: FoundVersion | None) -> FoundVersion:
        path = self.directory.joinpath(*key)
        files = tuple(sorted(_list_files(path)))
        if before is not None and before.files == files:
            before.looks += 1
            before.inode = inode
            found = before
        else:
            found = FoundVersion(inode, files, settled=self._first)
        if not self._first and (found.missing or found.looks == 1):
            found.missing = _missing_file(path, {name for name, *_ in files})
        return found

    def _read_aliases(self, folder: Path) -> Aliases | str:
        """Read the aliases if the file was changed; one that is not valid, or gone, counts if it stays so: an editor may write."""
        stamp = _stamp(folder / ALIASES_FILE)
        before = self._aliases.get(folder.name)
        if before is not None and before.stamp == stamp:
            self._aliases[folder.name] = before._replace(doubtful=None)
            return before.aliases
        aliases: Aliases | str
        try:
            aliases = read_aliases(folder)
        except AliasesError as error:
            aliases = str(error)
            if is_of_the_moment(error):
                stamp = _UNREAD  # which no file has, so it is read again at the next look
        if before is not None and before.doubtful != stamp and (isinstance(aliases, str) or aliases == Aliases()):
            self._aliases[folder.name] = before._replace(doubtful=stamp)
            return before.aliases
        self._aliases[folder.name] = _SeenAliases(stamp, aliases)
        return aliases


class _SeenAliases(NamedTuple):
    """A file of aliases as it was read."""

    stamp: Stamp
    aliases: Aliases | str
    """Or why they cannot be read."""
    doubtful: Stamp | None = None
    """Of a newer file, which was not valid, or not there, when it was first seen."""


def _expected(folders: Mapping[str, ModelFolder]) -> Iterator[Key]:
    """Go through the versions that may be chosen: those that aliases name, and the highest ones."""
    for name, folder in folders.items():
        yield name, folder.versions[-1]
        if isinstance(folder.aliases, Aliases):
            yield from ((name, version) for version in folder.aliases.versions)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return status.st_size, status.st_mtime_ns, status.st_ino


def read_history(folder: Path) -> tuple[Aliases, ...]:
    """Read which aliases of a model held, the newest first."""
    try:
        changes, problem = read_change_log(folder)
    except OSError:
        return ()
    if problem:
        _logger.warning("model %s: %s", folder.name, problem)
    return tuple(aliases for change in changes[::-1] for aliases in (change.after, change.before))


def _list_files(folder: Path, prefix: str = "") -> Iterator[tuple[str, int, int, int]]:
    """List the files of a bundle, those of its tables included."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir():
                    if not prefix:
                        yield from _list_files(Path(entry.path), f"{name}/")
                    continue
                status = entry.stat()
                yield name, status.st_size, status.st_mtime_ns, status.st_ino
    except OSError:
        return  # it is being replaced


class _Described(msgspec.Struct):
    """What of a manifest says which files there have to be."""

    files: dict[str, str] = {}


def _missing_file(folder: Path, present: Iterable[str]) -> str:
    """Return a file that a bundle lacks; empty if it has all that its manifest names, or a manifest that cannot be read."""
    present = set(present)
    if _MANIFEST not in present:
        return _MANIFEST
    try:
        with (folder / _MANIFEST).open("rb") as file:
            described = msgspec.json.decode(file.read(_MAX_MANIFEST_BYTES), type=_Described)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return min(described.files.keys() - present, default="")
