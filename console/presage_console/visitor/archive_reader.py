"""Reads visitors from an archive, and keeps the last few for their next page. Needs pyarrow, which not every console has."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

from presage_console.visitor.history import History, RecentVisitor
from presage_featurizer.event_log import EVENTS, Checkpoint, partition_of
from presage_server.archive.reading import ArchivedEvents, batches_of, read_part
from presage_server.archive.visitor_rows import FoundFile, VisitorRows

__all__ = ["MAX_EVENTS", "MAX_VECTORS", "Histories", "recent_visitors"]

MAX_EVENTS = 100_000
"""Events of one visitor that are read: a page is no place for a robot's."""
MAX_VECTORS = 20_000
"""Served vectors of one visitor that are kept, the newest: some 20 MB."""
_KEPT_VISITORS = 8
_KEPT_EVENTS = 20_000
"""Of one visitor, some 20 MB: more are read again for each page."""
_RECENT_BATCHES = 5
_RECENT_COLUMNS = ["user_id", "type", "event_time"]


@dataclass(frozen=True, slots=True)
class _Kept:
    history: History
    files: tuple[FoundFile, ...]

    def holds(self, checkpoint: Checkpoint) -> bool:
        """Return whether the files are still those that were read: not erased from, nor removed, nor another archive's."""
        history = self.history
        return (
            history.archive_id == checkpoint.archive_id
            and history.batch <= checkpoint.batch
            and all(found.is_unchanged() for found in self.files)
        )


class Histories:
    """Reads visitors from an archive; for threads that may block.

    The last few are kept, and only what was archived since is read for them. Nothing that was erased from a file is shown again:
    a file that was written again, or is gone, makes all of it be read again.

    Args:
        directory: The archive's folder.
    """

    def __init__(self, directory: Path) -> None:
        self._archive = ArchivedEvents(directory)
        self._directory = directory
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def read(self, user_id: str) -> History:
        """Read what the archive has of a visitor now.

        Raises:
            ArchiveReadError: The folder holds no archive, or a file of it cannot be read.
        """
        checkpoint = self._archive.checkpoint()
        with self._lock:
            kept = self._kept.pop(user_id, None)
        if kept is not None and not kept.holds(checkpoint):
            kept = None
        rows = VisitorRows(self._directory, user_id)
        history = self._read(rows, checkpoint, user_id, None if kept is None else kept.history)
        files = (*(() if kept is None else kept.files), *rows.files)
        if len(history.rows) <= _KEPT_EVENTS:
            with self._lock:
                self._kept[user_id] = _Kept(history, files)
                while len(self._kept) > _KEPT_VISITORS:
                    self._kept.popitem(last=False)
        return history

    @staticmethod
    def _read(rows: VisitorRows, checkpoint: Checkpoint, user_id: str, known: History | None) -> History:
        after = 0 if known is None else known.batch
        old = () if known is None else known.rows
        room = MAX_EVENTS - len(old)
        read = list(islice(rows.events(checkpoint, after_batch=after), room + 1))
        events = [row for row in read[:room] if row.event is not None]
        vectors = deque(() if known is None else known.vectors, MAX_VECTORS)
        vectors.extend(read.vector for read in rows.vectors(checkpoint, after_batch=after))
        position = checkpoint.positions.get(partition_of(user_id))
        return History(
            user_id=user_id,
            rows=(*old, *events),
            vectors=tuple(vectors),
            unreadable=len(read[:room]) - len(events) + (0 if known is None else known.unreadable),
            cut=len(read) > room or (known is not None and known.cut),
            archive_id=checkpoint.archive_id,
            batch=checkpoint.batch,
            archived_until_unix_micros=0 if position is None else position.last.unix_millis * 1_000,
            lost=0 if position is None else position.lost,
        )


def recent_visitors(directory: Path, count: int) -> list[RecentVisitor]:
    """Find visitors whose events were archived last, the newest first; raises ArchiveReadError as ``Histories.read`` does."""
    checkpoint = ArchivedEvents(directory).checkpoint()
    found: dict[str, RecentVisitor] = {}
    for files in batches_of(directory, EVENTS, checkpoint)[: -_RECENT_BATCHES - 1 : -1]:
        for path in files:
            table = read_part(directory, path, lambda file: file.read(columns=_RECENT_COLUMNS, use_threads=False))
            if table is None:
                continue
            times = table["event_time"].cast("int64").to_pylist()
            for user_id, kind, time in zip(table["user_id"].to_pylist(), table["type"].to_pylist(), times, strict=True):
                known = found.get(user_id)
                if user_id is not None and (known is None or time >= known.unix_micros):
                    what = kind.lower().replace("_", " ")
                    found[user_id] = RecentVisitor(user_id=user_id, what=what, unix_micros=time)
        if len(found) >= count:
            break
    return sorted(found.values(), key=lambda each: -each.unix_micros)[:count]
