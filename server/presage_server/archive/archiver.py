"""Moves entries from the streams into the folder: reads, gathers, commits, acknowledges, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from presage_server.archive.folder import ArchiveFolder
from presage_server.clock import Clock
from presage_server.eventlog.consumer_group import STREAMS_PER_READ, Entry, EventStreams, Reading
from presage_server.eventlog.positions import Discontinuity, Finding, Position, check
from presage_server.store.keys import PARTITIONS

__all__ = ["Archiver", "Progress"]

_MAX_BATCH_BYTES = 64 << 20
_MICROS = 1_000_000
_ALL = range(PARTITIONS)


@dataclass(kw_only=True, slots=True)
class Progress:
    """Where the archive stands."""

    archived: int = 0
    """Entries in the archive's files."""
    pending: int = 0
    """Entries that were read and are in no file yet."""
    pending_seconds: float = 0.0
    """How long the oldest of them has been in its stream."""
    lag: int | None = None
    """Entries in the streams that were not read yet; None if the store does not count them (Redis 6.2)."""
    worst_lag: int | None = None
    """The same of the stream with the most."""
    lost: int = 0
    """Entries that left the streams unread, as far as is known, since the archive began."""
    files: int = 0
    """Files written since the start."""
    discontinuities: int = 0
    """Streams found to have lost entries, perhaps lost some, or begun anew, since the start."""


@dataclass(kw_only=True, slots=True)
class Archiver:
    """Archives one store into one folder; call ``prepare`` first, and again after every error of the store.

    Methods that use the store raise redis-py's errors; ``commit`` raises ArchiveFolderError.
    """

    streams: EventStreams
    folder: ArchiveFolder
    clock: Clock
    write_parts: Callable[[Sequence[Entry]], Mapping[str, Callable[..., None]]]
    """Deals entries out to files; see ``presage_server.archive.parts``."""
    tell: Callable[[str], None]
    """Is told, in one line each, what an operator must hear."""
    max_batch_events: int
    """A batch is committed when it has so many entries, or has grown too large for memory."""
    progress: Progress = field(default_factory=Progress)
    """Where the archive stands."""
    _positions: dict[int, Position] = field(default_factory=dict)
    _gathered: list[Entry] = field(default_factory=list)
    _gathered_bytes: int = 0
    _lags: dict[int, int] = field(default_factory=dict)
    _findings: dict[int, Finding] = field(default_factory=dict)

    def prepare(self) -> None:
        """Have the streams go on right after what was gathered; a new archive begins with the oldest entries there are."""
        checkpoint = self.folder.checkpoint
        if not checkpoint.positions:
            # Kept at once: from now on it is known what the archive has missed.
            self.folder.commit({}, positions=self.streams.beginnings(), entries=0)
            checkpoint = self.folder.checkpoint
        if not self._positions:
            self._positions = dict(checkpoint.positions)
        self.streams.prepare(self._positions, committed=checkpoint.positions)
        self._show()

    def sweep(self, partitions: Sequence[int] = _ALL) -> list[int]:
        """Read once from each of these streams, committing whenever a batch is full; answer with those that may have more."""
        more = []
        for start in range(0, len(partitions), STREAMS_PER_READ):
            findings = []
            for partition, reading in self.streams.read(partitions[start : start + STREAMS_PER_READ]).items():
                finding = self._take(partition, reading)
                if finding is not None:
                    findings.append((partition, finding))
                if reading.full:
                    more.append(partition)
            self._report(findings)
            if len(self._gathered) >= self.max_batch_events or self._gathered_bytes >= _MAX_BATCH_BYTES:
                self.commit()
        self._show()
        return more

    def commit(self) -> None:
        """Put what was gathered into files, and then acknowledge it."""
        gathered = self._gathered
        # Without an entry there may still be a loss to remember.
        if gathered or self._positions != self.folder.checkpoint.positions:
            parts = self.write_parts(gathered)
            self.folder.commit(parts, positions=self._positions, entries=len(gathered))
            self.progress.files += len(parts)
        self._gathered, self._gathered_bytes = [], 0
        self._show()
        self.streams.acknowledge(gathered)

    def _take(self, partition: int, reading: Reading) -> Finding | None:
        """Gather what was read of one stream; answer with what happened to it, if that is news."""
        position, finding = check(self._positions[partition], reading.info)
        entries = reading.entries
        if entries:
            counted = None if position.counted is None else position.counted + len(entries)
            position = Position(last=entries[-1].entry_id, counted=counted, lost=position.lost)
            self._gathered.extend(entries)
            self._gathered_bytes += sum(len(entry.event) + len(entry.vector) for entry in entries)
        self._positions[partition] = position
        if reading.info.added is not None and position.counted is not None:
            self._lags[partition] = max(reading.info.added - position.counted, 0)
        if finding == self._findings.get(partition):
            return None
        if finding is not None:
            self._findings[partition] = finding
        return finding

    def _report(self, findings: Sequence[tuple[int, Finding]]) -> None:
        for kind in Discontinuity:
            those = [(partition, finding) for partition, finding in findings if finding.kind is kind]
            if not those:
                continue
            self.progress.discontinuities += len(those)
            partition, finding = those[0]
            entries = sum(finding.entries for _, finding in those)
            where = f"partition {partition}, after {finding.after}" + (
                f" and before {finding.before}" if finding.before else ""
            )
            if len(those) > 1:
                where += f", and {len(those) - 1} more streams"
            self.tell(_SENTENCES[kind].format(entries=f"{entries:,}", where=where))

    def _show(self) -> None:
        progress = self.progress
        progress.archived = self.folder.checkpoint.archived
        progress.pending = len(self._gathered)
        oldest = min((entry.entry_id.unix_millis for entry in self._gathered), default=None)
        progress.pending_seconds = 0.0 if oldest is None else max(self.clock() / _MICROS - oldest / 1_000, 0.0)
        progress.lag = sum(self._lags.values()) if self._lags else None
        progress.worst_lag = max(self._lags.values()) if self._lags else None
        progress.lost = sum(position.lost for position in self._positions.values())


_SENTENCES = {
    Discontinuity.LOST: (
        "LOST: {entries} events left the streams before they were archived ({where}); "
        "raise the servers' stream_max_events, or keep the archiver running"
    ),
    Discontinuity.MAYBE_LOST: (
        "PERHAPS LOST: the last archived event has left its stream, so events after it may have as well ({where}); this store "
        "keeps no count that could tell (Redis 7 does); raise the servers' stream_max_events, or keep the archiver running"
    ),
    Discontinuity.BEGAN_ANEW: (
        "the store does not hold the streams that were archived so far: it was emptied, exchanged or set back ({where}); "
        "what was in them unarchived is lost, and archiving goes on with what is there"
    ),
}
