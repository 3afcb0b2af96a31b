"""An archive while a visitor is erased from it: nothing of the visitor is on its way into its files."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

from presage_featurizer.event_log import (
    BEGINNING,
    CHECKPOINT_FILE,
    EVENTS,
    EXPOSURES,
    VECTORS,
    EntryId,
    Position,
    staged_file,
)
from presage_server.archive.erasing import erase_rows, find_rows, remove_leftovers
from presage_server.archive.errors import ArchiveInUseError
from presage_server.archive.folder import ArchiveFolder, open_folder
from presage_server.archive.reading import ArchivedEvents
from presage_server.forgetting.errors import ForgetError
from presage_server.forgetting.matching import EntryMatcher
from presage_server.forgetting.visitor import Cut, StoredVisitor

__all__ = ["HeldArchive", "files_until", "group_of", "hold_archive"]

_POLL_SECONDS = 0.2
_LOCK = "forget.lock"


def group_of(directory: Path) -> str:
    """Return the name of an archive's consumer group; raises ArchiveReadError."""
    return f"archive-{ArchivedEvents(directory).checkpoint().archive_id}"


class HeldArchive:
    """An archive that has all of a visitor's entries that it will ever get. Use ``hold_archive``."""

    def __init__(self, directory: Path, folder: ArchiveFolder | None) -> None:
        self._directory = directory
        self._folder = folder
        """Open for writing if no archiver runs, so that none can start."""

    def note_deleted(self, partition: int, deleted: Sequence[EntryId]) -> None:
        """Account for entries that left a stream, so that an archiver which had not read them does not report them as lost."""
        if self._folder is None:
            return
        positions = dict(self._folder.checkpoint.positions)
        before = positions.get(partition)
        if before is None or before.counted is None:
            return
        unread = sum(entry_id > before.last for entry_id in deleted)
        if unread:
            positions[partition] = Position(last=before.last, counted=before.counted + unread, lost=before.lost)
            self._folder.commit({}, positions=positions, entries=0)

    def erase(self, partition: int, user_id: str, cut: Cut) -> tuple[int, int]:
        """Write the files again that have rows of a visitor; return the numbers of rows and files.

        Raises:
            ArchiveReadError: A file cannot be read.
            ForgetError: A file cannot be written.
        """
        until, names_it = files_until(cut), EntryMatcher(user_id).names_it
        rows = files = 0
        try:
            remove_leftovers(self._directory)
            for found in find_rows(self._directory, partition, user_id, until=until, names_it=names_it):
                if found.rows:
                    rows += erase_rows(found, partition, user_id, until=until, names_it=names_it)
                    files += 1
        except OSError as error:
            where = error.filename or self._directory
            raise ForgetError(f"{where}: cannot be written: {error.strerror or error}; run the same again") from error
        return rows, files


def files_until(cut: Cut) -> Mapping[str, EntryId]:
    """Return by kind of files the last entry that an erasure is about."""
    return {EVENTS: cut.events, VECTORS: cut.computed, EXPOSURES: cut.computed}


@contextmanager
def hold_archive(
    directory: Path, visitor: StoredVisitor, last: EntryId, *, wait_seconds: float, warn: Callable[[str], None]
) -> Iterator[HeldArchive]:
    """Wait until an archiver has written all that it has read, or keep one from starting.

    Args:
        directory: The archive's folder.
        visitor: Who is erased.
        last: The visitor's last entry that is to be erased from the stream; BEGINNING without one.
        wait_seconds: How long the archiver may take, that is, more than its ``--flush-seconds``.
        warn: Called with one line when it takes long.

    Raises:
        ArchiveReadError: There is no archive.
        ArchiveFolderError: It cannot be written.
        ForgetError: Another erasure works on it, or its archiver takes too long.
    """
    group = group_of(directory)
    read_to = max(visitor.groups().get(group, BEGINNING), last)
    with ExitStack() as stack:
        stack.enter_context(_alone(directory))
        folder = _settle(directory, visitor.partition, read_to, stack, wait_seconds=wait_seconds, warn=warn)
        yield HeldArchive(directory, folder)


def _settle(
    directory: Path,
    partition: int,
    read_to: EntryId,
    stack: ExitStack,
    *,
    wait_seconds: float,
    warn: Callable[[str], None],
) -> ArchiveFolder | None:
    """Wait until everything up to an entry is in the files, or no archiver runs; then return the folder, locked."""
    started = monotonic()
    is_told = False
    while True:
        try:
            return stack.enter_context(open_folder(directory, new_id=_no_new_archive))
        except ArchiveInUseError:
            checkpoint = ArchivedEvents(directory).checkpoint()
        moving = any((directory / staged_file(file)).exists() for file in checkpoint.files)
        if not moving and checkpoint.positions.get(partition, Position()).last >= read_to:
            return None
        if monotonic() - started >= wait_seconds:
            raise ForgetError(
                f"{directory}: its archiver has not written within {wait_seconds:g} s what it has read; run the same again, with a "
                "--wait-seconds above the archiver's --flush-seconds"
            )
        if not is_told and monotonic() - started >= 1.0:
            is_told = True
            warn(f"{directory}: waiting for its archiver to write what it has read, up to {wait_seconds:g} s")
        sleep(_POLL_SECONDS)


def _no_new_archive() -> str:
    raise ForgetError(f"expected the folder of presage archive --to, got one without {CHECKPOINT_FILE}")


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other erasures away: two that write the same file again would each bring back what the other has left out."""
    with (directory / _LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ForgetError(
                f"{directory}: another presage forget works on it; run the same again when it has ended"
            ) from error
        yield
