"""The catalogue's changes as Parquet files, one for each day, one row for each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from presage_featurizer.event_log import CATALOGUE_CHANGES, EntryId, day_folder
from presage_featurizer.event_log.catalogue import CATALOGUE_COLUMNS
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.archive.catalogue import CatalogueEntry
from presage_server.archive.parts import write_table
from presage_server.archive.tables import schema_of

__all__ = ["CATALOGUE_SCHEMA", "changes_by_day"]

CATALOGUE_SCHEMA = schema_of(CATALOGUE_COLUMNS)

_VALUES = tuple(column.name for column in CATALOGUE_COLUMNS[3:-2])


class _Row(NamedTuple):
    entry_id: EntryId
    number: int
    change: CatalogueChange | None
    unreadable: bytes | None = None


def changes_by_day(entries: Iterable[CatalogueEntry]) -> dict[str, Callable[[BinaryIO], None]]:
    """Distribute entries, in the order of their stream, to the days on which the store received them.

    Returns:
        By folder, a function that writes the file.
    """
    rows: dict[str, list[_Row]] = {}
    for entry in entries:
        of_day = rows.setdefault(day_folder(CATALOGUE_CHANGES, entry.entry_id.unix_millis * 1_000), [])
        if entry.changes is None:
            of_day.append(_Row(entry.entry_id, entry.first, None, entry.encoded))
        else:
            of_day += [_Row(entry.entry_id, number, change) for number, change in enumerate(entry.changes, entry.first)]
    return {folder: partial(write_table, _table(of_day)) for folder, of_day in rows.items() if of_day}


def _table(rows: Sequence[_Row]) -> pa.Table:
    changes = [row.change for row in rows]

    def values(name: str) -> list[Any]:
        return [None if change is None else getattr(change, name) for change in changes]

    first_seen = pa.array(values("first_seen_unix_micros"), pa.int64())
    columns: dict[str, Any] = {
        "entry_unix_millis": [row.entry_id.unix_millis for row in rows],
        "entry_sequence": [row.entry_id.sequence for row in rows],
        "change": [row.number for row in rows],
        **{name: values(name) for name in _VALUES},
        "first_seen": first_seen.cast(CATALOGUE_SCHEMA.field("first_seen").type),
        "unreadable_changes": [row.unreadable for row in rows],
    }
    arrays = [
        column if isinstance(column := columns[field.name], pa.Array) else pa.array(column, field.type)
        for field in CATALOGUE_SCHEMA
    ]
    return pa.table(arrays, schema=CATALOGUE_SCHEMA)
