"""Changes of a model's aliases, and their history: a line of JSON for each change, appended and never changed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from presage_export.errors import AliasesError, StaleAliasesError
from presage_export.registry.aliases import ALIASES_FILE, Aliases, read_aliases

__all__ = [
    "CHANGES_FILE",
    "AliasChange",
    "ChangeLog",
    "find_aliases_before",
    "read_change_log",
    "read_changes",
    "replace_aliases",
]

CHANGES_FILE = "changes.jsonl"
"""The history's name, beside the versions."""

_LOCK_FILE = ".aliases.lock"
_MAX_NUMBERS = 10


class AliasChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a model's aliases."""

    changed_at_unix_micros: int
    changed_by: str
    """An operator's name, or the rule that changed them."""
    reason: str
    before: Aliases
    after: Aliases


class ChangeLog(NamedTuple):
    """The history of a model, as far as it can be read."""

    changes: list[AliasChange]
    """The oldest first."""
    problem: str
    """Which lines cannot be read; empty if all can be."""


def read_change_log(folder: Path) -> ChangeLog:
    """Read the history of a model.

    A line is left out that cannot be read: one that was cut while it was written, say, or that a newer release wrote.

    Raises:
        OSError: The file cannot be read.
    """
    path = folder / CHANGES_FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ChangeLog([], "")
    changes, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            changes.append(msgspec.json.decode(line, type=AliasChange))
        except (msgspec.MsgspecError, UnicodeDecodeError, AliasesError):
            if line:
                damaged.append(str(number))
    if not damaged:
        return ChangeLog(changes, "")
    numbers = ", ".join(damaged[:_MAX_NUMBERS]) + (", ..." if len(damaged) > _MAX_NUMBERS else "")
    problem = f"{path}: {len(damaged)} of {len(lines)} lines cannot be read and are left out: {numbers}"
    return ChangeLog(changes, problem)


def read_changes(folder: Path) -> Iterator[AliasChange]:
    """Read the changes of ``read_change_log``; raises OSError."""
    yield from read_change_log(folder).changes


def find_aliases_before(folder: Path) -> Aliases:
    """Find the aliases that held before the last change, with the revision that a rollback to them is decided on.

    Where the file was edited by hand or cannot be read, they are the last ones of the history.

    Raises:
        AliasesError: There is nothing to go back to.
    """
    changes, problem = read_change_log(folder)
    try:
        current = read_aliases(folder)
    except AliasesError as error:
        if not changes:
            raise AliasesError(
                f"{error}, but none are known: {problem or f'{CHANGES_FILE} has no change'}; correct the file, or remove it for "
                "the highest version to serve"
            ) from error
        return changes[-1].after
    if changes and changes[-1].before == current:
        changes.pop()  # it was cut off before it held
    if not changes:
        raise AliasesError(problem or f"{folder / CHANGES_FILE}: has no change to roll back")
    last = changes[-1]
    before = last.before if last.after == current else last.after
    return msgspec.structs.replace(before, revision=current.revision)


def replace_aliases(
    folder: Path, aliases: Aliases, *, now_unix_micros: int, changed_by: str, reason: str, repair: bool = False
) -> Aliases:
    """Replace the aliases of a model, and append the change to its history.

    Readers find the old file or the new one. The change is written before the file, so that none goes without a line in the
    history; a line whose revision is not the file's is of a change that was cut off.

    Args:
        folder: The model's folder.
        aliases: All aliases as they are to be; their revision is the one that the change was decided on.
        now_unix_micros: The moment of the change.
        changed_by: An operator's name, or the rule that decides.
        reason: Why.
        repair: Whether to replace a file that cannot be read; the last aliases of the history stand for it.

    Returns:
        The aliases with the new revision.

    Raises:
        StaleAliasesError: There is a newer revision.
        AliasesError: The present file cannot be read, and is not to be repaired.
        OSError: The folder cannot be written.
    """
    with _locked(folder):
        before = _read_or_recall(folder) if repair else read_aliases(folder)
        if before.revision != aliases.revision:
            raise StaleAliasesError(
                f"aliases of {folder.name}: expected revision {before.revision}, got {aliases.revision}: they were changed since "
                "they were read; read them again and decide again"
            )
        after = msgspec.structs.replace(aliases, revision=before.revision + 1)
        _append(
            folder,
            AliasChange(
                changed_at_unix_micros=now_unix_micros,
                changed_by=changed_by,
                reason=reason,
                before=before,
                after=after,
            ),
        )
        _write_whole(folder / ALIASES_FILE, msgspec.json.format(msgspec.json.encode(after)) + b"\n")
    return after


def _read_or_recall(folder: Path) -> Aliases:
    try:
        return read_aliases(folder)
    except AliasesError:
        changes = list(read_changes(folder))
        return changes[-1].after if changes else Aliases()


def _append(folder: Path, change: AliasChange) -> None:
    """Append a change to the history of a model; on the disk when this returns."""
    with (folder / CHANGES_FILE).open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":  # a writer was cut off
                file.write(b"\n")
        file.write(msgspec.json.encode(change) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _write_whole(path: Path, content: bytes) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with staged.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes of this host from changing the aliases meanwhile."""
    with (folder / _LOCK_FILE).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
