"""The archive's folder: what is committed, and how a batch gets there whole or not at all.

    DIR/archive.json                             the checkpoint: how far each stream is archived, and the files of the last batch
    DIR/events/day=2026-01-31/part-0000000042.parquet
    DIR/vectors/day=2026-01-31/part-0000000042.parquet
    DIR/staging/                                 files that are not committed yet
    DIR/lock                                     held by the process that writes

A batch is written into ``staging``; replacing the checkpoint commits it; its files then move into place. A process that dies
before the checkpoint has archived nothing; one that dies after it left only moves to be done, which opening the folder does. So a
file under ``events`` or ``vectors`` is whole and stays as it is from the moment on that it can be seen.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from presage_server.archive.errors import ArchiveFolderError
from presage_server.eventlog.positions import Position

__all__ = ["ArchiveFolder", "Checkpoint", "opened_folder"]

_VERSION = 1
_START_AGAIN = "nothing is lost while the streams hold it: mend that and start again"


class Checkpoint(msgspec.Struct, frozen=True):
    """What is committed."""

    archive_id: str
    """Tells this archive from others of the same store; part of its consumer group's name."""
    version: int = _VERSION
    """Of the folder's layout and the files' columns."""
    batch: int = 0
    """The number of the last batch; each has a number of its own, from 1 on."""
    files: tuple[str, ...] = ()
    """The last batch's files, below the folder."""
    archived: int = 0
    """Entries in all batches."""
    positions: dict[int, Position] = {}
    """How far each stream is archived, by partition; empty before the first start has ended well."""


class ArchiveFolder:
    """An archive's folder, open for writing. Use ``opened_folder``.

    Raises:
        ArchiveFolderError: From every method: the folder cannot be written.
    """

    def __init__(self, path: Path, checkpoint: Checkpoint) -> None:
        self._path = path
        self.checkpoint = checkpoint
        """What is committed."""
        with _explained(path):
            self._move_into_place()
            self._clear_staging()

    def commit(
        self,
        parts: Mapping[str, Callable[[BinaryIO], None]],
        *,
        positions: Mapping[int, Position],
        entries: int,
    ) -> None:
        """Add a batch, whole or not at all; when this returns, it stays even if the power fails.

        Args:
            parts: What writes the batch's files, by the folder of each: ``events/day=YYYY-MM-DD``, ``vectors/day=YYYY-MM-DD``.
            positions: How far each stream is archived with it.
            entries: How many entries are in it.
        """
        before = self.checkpoint
        # A commit without entries keeps the number, and the files that belong to it.
        batch = before.batch + 1 if parts else before.batch
        files = (
            tuple(f"{directory}/part-{batch:010d}.parquet" for directory in sorted(parts)) if parts else before.files
        )
        after = Checkpoint(
            archive_id=before.archive_id,
            batch=batch,
            files=files,
            archived=before.archived + entries,
            positions=dict(positions),
        )
        with _explained(self._path):
            for directory, file in zip(sorted(parts), files, strict=False):
                _write(self._staged(file), parts[directory])
            if parts:
                _sync_directory(self._path / "staging")
            replacement = self._path / "archive.json.new"
            _write(replacement, lambda stream: stream.write(msgspec.json.encode(after)))
            os.replace(replacement, self._path / "archive.json")  # noqa: PTH105 - beside os.fsync
            _sync_directory(self._path)
            self.checkpoint = after
            self._move_into_place()

    def _move_into_place(self) -> None:
        for file in self.checkpoint.files:
            staged = self._staged(file)
            if not staged.exists():
                continue
            target = self._path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)  # noqa: PTH105 - beside os.fsync
            _sync_directory(target.parent)
            _sync_directory(target.parent.parent)

    def _staged(self, file: str) -> Path:
        # With the batch's number in it, so that what an unfinished batch left is not taken for a file of the one before.
        return self._path / "staging" / file.removeprefix("events/").replace("/", "_")

    def _clear_staging(self) -> None:
        staging = self._path / "staging"
        staging.mkdir(exist_ok=True)
        for left in staging.iterdir():
            left.unlink()


@contextmanager
def opened_folder(path: Path, *, new_id: Callable[[], str]) -> Iterator[ArchiveFolder]:
    """Open an archive's folder, making it if there is none, and finish what a process that died has left.

    Args:
        path: The folder.
        new_id: Makes the id of a new archive.

    Raises:
        ArchiveFolderError: It cannot be written, another process writes it, or it holds something else.
    """
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
    with lock:
        _take(lock, path)
        checkpoint = _read_checkpoint(path)
        folder = ArchiveFolder(path, checkpoint or Checkpoint(archive_id=new_id()))
        if checkpoint is None:
            # Kept before the store hears of it, so that a first start that breaks off leaves no group that nobody follows.
            folder.commit({}, positions={}, entries=0)
        yield folder


def _take(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ArchiveFolderError(f"{path}: is in use by another presage archive; give this one its own") from error


def _read_checkpoint(path: Path) -> Checkpoint | None:
    file = path / "archive.json"
    try:
        with _explained(path):
            if not file.exists():
                if any((path / "events").glob("day=*/part-*.parquet")):
                    raise ArchiveFolderError(
                        f"{path}: has archived events but no archive.json, so where to go on is unknown; "
                        "put it back, or name an empty folder"
                    )
                return None
            encoded = file.read_bytes()
        checkpoint = msgspec.json.decode(encoded, type=Checkpoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveFolderError(f"{file}: cannot be read ({error}); put it back, or name an empty folder") from error
    if checkpoint.version != _VERSION:
        raise ArchiveFolderError(
            f"{file}: expected version {_VERSION}, got {checkpoint.version}; archive with the release that wrote it"
        )
    if any(re.fullmatch(r"(events|vectors)/day=[^/]+/part-\d+\.parquet", name) is None for name in checkpoint.files):
        raise ArchiveFolderError(f"{file}: names a file that is no part of an archive; put the right one back")
    return checkpoint


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    try:
        with path.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        # A disk that is full should not stay so for the sake of half a file.
        with suppress(OSError):
            path.unlink()
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveFolderError(f"{path}: cannot be written: {error.strerror or error}; {_START_AGAIN}") from error
