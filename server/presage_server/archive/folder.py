"""The archive's folder: a batch is committed whole or not at all.

A batch is written into ``staging``; replacing the checkpoint commits it; then its files move to their places. A process that dies
before the checkpoint is replaced has archived nothing. If it dies later, only moves are left to do, and opening the folder does
them. So a file in the folder of a day is complete as soon as it can be seen, and never changes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from presage_featurizer import CorruptStateError, NewerStateError
from presage_featurizer.event_log import (
    CHECKPOINT_FILE,
    EVENTS,
    PARTS_GLOB,
    STAGING_FOLDER,
    CatalogueCheckpoint,
    Checkpoint,
    Position,
    batch_of,
    decode_checkpoint,
    encode_checkpoint,
    part_file,
    staged_file,
)
from presage_server.archive.errors import ArchiveFolderError, ArchiveInUseError

__all__ = ["ArchiveFolder", "open_folder", "sync_directory", "write_file"]

_START_AGAIN = "nothing is lost while the streams hold it: fix that and start again"


class ArchiveFolder:
    """An archive's folder, open for writing. Use ``open_folder``.

    Raises:
        ArchiveFolderError: From every method: the folder cannot be written.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        self._path = path
        self.checkpoint = checkpoint
        """What is committed."""
        with _folder_errors(path):
            self._move_into_place()
            self._clear_staging()

    def commit(
        self,
        parts: Mapping[str, Callable[[BinaryIO], None]],
        *,
        positions: Mapping[int, Position],
        entries: int,
        catalogue: CatalogueCheckpoint | None = None,
    ) -> None:
        """Add a batch, whole or not at all; when this returns, the batch survives a power failure.

        Args:
            parts: By folder (see ``day_folder``), a function that writes the file.
            positions: How far each stream is archived with this batch.
            entries: The number of entries of event streams in it.
            catalogue: How far the catalogue is archived with this batch; None if that has not changed.
        """
        before = self.checkpoint
        # A commit without entries keeps the number and its files.
        batch = before.batch + 1 if parts else before.batch
        files = tuple(part_file(folder, batch) for folder in sorted(parts)) if parts else before.files
        after = Checkpoint(
            archive_id=before.archive_id,
            batch=batch,
            files=files,
            archived=before.archived + entries,
            positions=dict(positions),
            catalogue=before.catalogue if catalogue is None else catalogue,
        )
        with _folder_errors(self._path):
            for folder, file in zip(sorted(parts), files, strict=False):
                write_file(self._path / staged_file(file), parts[folder])
            if parts:
                sync_directory(self._path / STAGING_FOLDER)
            replacement = self._path / f"{CHECKPOINT_FILE}.new"
            write_file(replacement, lambda stream: stream.write(encode_checkpoint(after)))
            os.replace(replacement, self._path / CHECKPOINT_FILE)  # noqa: PTH105 - beside os.fsync
            sync_directory(self._path)
            self.checkpoint = after
            self._move_into_place()

    def _move_into_place(self) -> None:
        for file in self.checkpoint.files:
            staged = self._path / staged_file(file)
            if not staged.exists():
                continue
            target = self._path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)  # noqa: PTH105 - beside os.fsync
            sync_directory(target.parent)
            sync_directory(target.parent.parent)

    def _clear_staging(self) -> None:
        staging = self._path / STAGING_FOLDER
        staging.mkdir(exist_ok=True)
        for uncommitted in staging.iterdir():
            uncommitted.unlink()


@contextmanager
def open_folder(path: Path, *, new_id: Callable[[], str]) -> Iterator[ArchiveFolder]:
    """Open an archive's folder; create it if it does not exist, and finish what a process that died has left.

    Args:
        path: The folder.
        new_id: Creates the id of a new archive.

    Raises:
        ArchiveFolderError: It cannot be written, another process writes it, or it holds something else.
    """
    with _folder_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
    with lock:
        _take(lock, path)
        checkpoint = _read_checkpoint(path)
        folder = ArchiveFolder(path, checkpoint or Checkpoint(archive_id=new_id()))
        if checkpoint is None:
            # Saved before the consumer group exists, so that a first start that fails leaves no group that nobody reads.
            folder.commit({}, positions={}, entries=0)
        yield folder


def _take(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ArchiveInUseError(f"{path}: is in use by another presage archive; give this one its own") from error


def _read_checkpoint(path: Path) -> Checkpoint | None:
    file = path / CHECKPOINT_FILE
    with _folder_errors(path):
        if not file.exists():
            if any((path / EVENTS).glob(PARTS_GLOB)):
                raise ArchiveFolderError(
                    f"{path}: has archived events but no {CHECKPOINT_FILE}, so where to go on is unknown; "
                    "put it back, or name an empty folder"
                )
            return None
        encoded = file.read_bytes()
    try:
        checkpoint = decode_checkpoint(encoded)
    except CorruptStateError as error:
        raise ArchiveFolderError(f"{file}: cannot be read ({error}); put it back, or name an empty folder") from error
    except NewerStateError as error:
        raise ArchiveFolderError(f"{file}: {error}; archive with the release that wrote it") from error
    if any(batch_of(name) is None for name in checkpoint.files):
        raise ArchiveFolderError(f"{file}: names a file that is not part of an archive; put the right one back")
    return checkpoint


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that survives a power failure once its folder is synced; raises OSError, and then leaves none."""
    try:
        with path.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        # Half a file must not keep a full disk full.
        with suppress(OSError):
            path.unlink()
        raise


def sync_directory(path: Path) -> None:
    """Make what was renamed in a folder survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _folder_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveFolderError(f"{path}: cannot be written: {error.strerror or error}; {_START_AGAIN}") from error
