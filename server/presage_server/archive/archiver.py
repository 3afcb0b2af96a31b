"""Moves entries from the streams into the folder: reads, collects, commits, acknowledges, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from presage_featurizer.event_log import PARTITIONS, Entry
from presage_server.archive.catalogue_archiver import CatalogueArchiver
from presage_server.archive.folder import ArchiveFolder
from presage_server.archive.warnings import CATALOGUE_WARNINGS, WARNINGS
from presage_server.clock import Clock
from presage_server.eventlog.consumer_group import STREAMS_PER_READ
from presage_server.eventlog.positions import Discontinuity, DiscontinuityKind
from presage_server.eventlog.reader import StreamReader

__all__ = ["Archiver", "Progress"]

_MAX_BATCH_BYTES = 64 << 20
_MICROS = 1_000_000
_ALL = range(PARTITIONS)


@dataclass(kw_only=True, slots=True)
class Progress:
    """The state of the archive."""

    archived: int = 0
    """Entries of event streams in the archive's files."""
    changes: int = 0
    """Changes of the catalogue in the archive's files."""
    pending: int = 0
    """Entries that were read and are in no file yet."""
    pending_seconds: float = 0.0
    """How long the oldest of them has been in its stream."""
    lag: int | None = None
    """Entries in the streams that were not read yet; None if the store does not count them (Redis 6.2)."""
    worst_lag: int | None = None
    """The lag of the stream with the largest."""
    lost: int = 0
    """Entries known to have left the streams unread since the archive began."""
    files: int = 0
    """Files written since the start."""
    discontinuities: int = 0
    """Streams found to have lost entries, perhaps lost some, or been reset, since the start."""


@dataclass(kw_only=True, slots=True)
class Archiver:
    """Archives one store into one folder; a ``presage_server.eventlog.poller.Consumer``.

    Methods that use the store raise redis-py's errors; ``commit`` raises ArchiveFolderError.
    """

    reader: StreamReader
    catalogue: CatalogueArchiver
    folder: ArchiveFolder
    clock: Clock
    write_parts: Callable[[Sequence[Entry]], Mapping[str, Callable[..., None]]]
    """Distributes entries to files; see ``presage_server.archive.parts``."""
    warn: Callable[[str], None]
    """Called with one line for each thing that an operator must know."""
    max_batch_events: int
    """A batch is committed when it has this many entries, or has grown too large for memory."""
    progress: Progress = field(default_factory=Progress)
    _collected: list[Entry] = field(default_factory=list)
    _collected_bytes: int = 0

    def prepare(self) -> None:
        """Continue right after what was collected; a new archive begins with the oldest entries in the streams."""
        if not self.folder.checkpoint.positions:
            # Saved at once: from now on it is known what the archive has missed.
            self.folder.commit({}, positions=self.reader.group.create(), entries=0)
        self.reader.resume(self.folder.checkpoint.positions)
        self.catalogue.prepare(self.folder.checkpoint.catalogue)
        self._update_progress()

    def sweep(self, partitions: Sequence[int] = _ALL) -> list[int]:
        """Read once from each of these streams, committing whenever a batch is full; return those that may have more."""
        more = []
        for start in range(0, len(partitions), STREAMS_PER_READ):
            result = self.reader.read(partitions[start : start + STREAMS_PER_READ])
            self._collected += result.entries
            self._collected_bytes += sum(
                len(entry.event) + len(entry.vector) + len(entry.exposure) for entry in result.entries
            )
            self._report(result.discontinuities)
            more += result.more
            self._commit_if_full()
        self._sweep_catalogue()
        self._update_progress()
        return more

    def commit(self) -> None:
        """Write what was collected into files, then acknowledge it."""
        collected, positions, before = self._collected, self.reader.positions, self.folder.checkpoint
        changes, catalogue = self.catalogue.parts()
        # Even without an entry there may be a loss to remember.
        if collected or changes or positions != before.positions or catalogue not in {None, before.catalogue}:
            parts = {**self.write_parts(collected), **changes}
            self.folder.commit(parts, positions=positions, entries=len(collected), catalogue=catalogue)
            self.catalogue.commit(catalogue)
            self.progress.files += len(parts)
        self._collected, self._collected_bytes = [], 0
        self._update_progress()
        self.reader.group.acknowledge(collected)

    def _sweep_catalogue(self) -> None:
        more = True
        while more:
            more, discontinuity = self.catalogue.read()
            if discontinuity is not None:
                self.progress.discontinuities += 1
                self.warn(CATALOGUE_WARNINGS[discontinuity.kind].format(entries=f"{discontinuity.entries:,}"))
            self._commit_if_full()

    def _commit_if_full(self) -> None:
        entries = len(self._collected) + self.catalogue.pending
        if entries >= self.max_batch_events or self._collected_bytes + self.catalogue.pending_bytes >= _MAX_BATCH_BYTES:
            self.commit()

    def _report(self, discontinuities: Sequence[tuple[int, Discontinuity]]) -> None:
        for kind in DiscontinuityKind:
            of_kind = [(partition, found) for partition, found in discontinuities if found.kind is kind]
            if not of_kind:
                continue
            self.progress.discontinuities += len(of_kind)
            partition, first = of_kind[0]
            entries = sum(found.entries for _, found in of_kind)
            where = f"partition {partition}, after {first.after}" + (
                f" and before {first.before}" if first.before else ""
            )
            if len(of_kind) > 1:
                where += f", and {len(of_kind) - 1} more streams"
            self.warn(WARNINGS[kind].format(entries=f"{entries:,}", where=where))

    def _update_progress(self) -> None:
        progress, reader = self.progress, self.reader
        progress.archived = self.folder.checkpoint.archived
        progress.changes = self.catalogue.archived
        progress.pending = len(self._collected)
        oldest = min((entry.entry_id.unix_millis for entry in self._collected), default=None)
        progress.pending_seconds = 0.0 if oldest is None else max(self.clock() / _MICROS - oldest / 1_000, 0.0)
        progress.lag, progress.worst_lag, progress.lost = reader.lag, reader.worst_lag, reader.lost
