"""Archives written without a store: entries with places of their own, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from presage_featurizer import Event, encode_event
from presage_featurizer.event_log import Entry, EntryId, Position, ServedVector, encode_served_vector, partition_of
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day

__all__ = ["entries_of", "write_archive"]


def entries_of(*logged: Event | ServedVector | bytes, user_id: str = "visitor", first_millis: int = 1) -> list[Entry]:
    """Make entries, a millisecond of the store apart; each visitor's first event is fresh. Bytes are an event of ``user_id``."""
    entries, seen = [], set()
    for millis, each in enumerate(logged, first_millis):
        visitor = user_id if isinstance(each, bytes) else each.user_id
        partition, entry_id = partition_of(visitor), EntryId(millis, 0)
        if isinstance(each, ServedVector):
            entries.append(Entry(partition, entry_id, b"", False, encode_served_vector(each)))
            continue
        encoded = each if isinstance(each, bytes) else encode_event(each)
        entries.append(Entry(partition, entry_id, encoded, first_millis == 1 and visitor not in seen))
        seen.add(visitor)
    return entries


def write_archive(directory: Path, *batches: Iterable[Entry]) -> None:
    """Write batches to an archive, which may exist."""
    with open_folder(directory, new_id=lambda: "written") as folder:
        positions = dict(folder.checkpoint.positions)
        for batch in map(list, batches):
            for entry in batch:
                positions[entry.partition] = Position(entry.entry_id)
            folder.commit(parts_by_day(batch), positions=positions, entries=len(batch))
