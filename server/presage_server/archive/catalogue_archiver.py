"""The catalogue's part of an archive: its changes in the order of their stream, and first what it said when the archive began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import BinaryIO

import msgspec

from presage_featurizer.event_log import CatalogueCheckpoint
from presage_server.archive.catalogue import CatalogueEntry, CatalogueReader
from presage_server.archive.catalogue_before import entries_before
from presage_server.eventlog.positions import Discontinuity

__all__ = ["CatalogueArchiver"]

_ENTRIES_AT_ONCE = 16

Parts = Mapping[str, Callable[[BinaryIO], None]]


class CatalogueArchiver:
    """Collects what follows of the catalogue's stream. Methods raise redis-py's errors.

    Args:
        reader: Of the stream.
        write_parts: Distributes entries to files; see ``presage_server.archive.catalogue_parts``.
    """

    def __init__(
        self, reader: CatalogueReader, write_parts: Callable[[Sequence[CatalogueEntry]], dict[str, Callable[..., None]]]
    ) -> None:
        self._reader = reader
        self._write_parts = write_parts
        self._committed: CatalogueCheckpoint | None = None
        self._before: Iterator[CatalogueEntry] = iter(())
        self._is_begun = False
        """Whether all was collected that the catalogue said before the archive began."""
        self._bucket_micros = 0
        self._collected: list[CatalogueEntry] = []
        self.pending = 0
        """Changes that were collected and are in no file yet."""
        self.pending_bytes = 0

    def prepare(self, committed: CatalogueCheckpoint | msgspec.UnsetType) -> None:
        """Continue right after what was collected; called first, and again after an error of the store."""
        if self._committed is not None:
            return
        if isinstance(committed, CatalogueCheckpoint):
            self._committed, self._is_begun, self._bucket_micros = committed, True, committed.bucket_micros
            self._reader.position = committed.position
            return
        found = self._reader.begin()
        if found.missed != 0 and (items := self._reader.items()) is not None:
            self._before = entries_before(items)
        self._committed = found

    @property
    def archived(self) -> int:
        """Changes in the archive's files."""
        return 0 if self._committed is None else self._committed.archived

    def read(self) -> tuple[bool, Discontinuity | None]:
        """Collect some entries; return whether there may be more, and what happened to the stream if that is new."""
        entries: Sequence[CatalogueEntry] = list(islice(self._before, _ENTRIES_AT_ONCE))
        discontinuity = None
        if not entries:
            self._is_begun = True
            entries, discontinuity = self._reader.read()
            self._bucket_micros = self._bucket_micros or self._reader.bucket_micros()
        self._collected += entries
        self.pending += sum(len(entry.changes or ()) for entry in entries)
        self.pending_bytes += sum(len(entry.encoded) for entry in entries)
        return bool(entries), discontinuity

    def parts(self) -> tuple[Parts, CatalogueCheckpoint | None]:
        """Return what was collected as files, and the checkpoint with them; None while an archive begins, or if nothing is new."""
        committed = self._committed
        assert committed is not None
        if not self._is_begun:
            return self._write_parts(self._collected), None
        after = CatalogueCheckpoint(
            position=self._reader.position,
            archived=committed.archived + self.pending,
            missed=committed.missed,
            bucket_micros=self._bucket_micros,
        )
        return self._write_parts(self._collected), after

    def commit(self, checkpoint: CatalogueCheckpoint | None) -> None:
        """Take note that what was collected is in the archive."""
        committed = self._committed
        assert committed is not None
        self._committed = checkpoint or msgspec.structs.replace(committed, archived=committed.archived + self.pending)
        self._collected, self.pending, self.pending_bytes = [], 0, 0
