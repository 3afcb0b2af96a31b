"""Rows of the archive's files as events and served vectors.

The rows come as Arrow record batches or tables, which this package uses without importing Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from presage_featurizer.codec import decode_event
from presage_featurizer.errors import StateError
from presage_featurizer.event_log.archive import EVENT_COLUMNS, ITEM_COLUMNS, PLACE_COLUMNS
from presage_featurizer.event_log.streams import EntryId, ServedVector
from presage_featurizer.events import Device, Event, EventType, Item, Shown

__all__ = ["NEWER_EVENT_COLUMNS", "ArchivedRow", "ArchivedVector", "read_event_rows", "read_vector_rows"]

NEWER_EVENT_COLUMNS = frozenset({"server_clock_unix_micros", "numbers", "labels"})
"""Columns that files of an older release lack, as if every value were null."""

_COLUMNS = tuple(column.name for column in EVENT_COLUMNS)
_PLACE = tuple(column.name for column in PLACE_COLUMNS)
_ITEM_FIELDS = tuple(column.name for column in ITEM_COLUMNS[:5])
_SHOWN_FIELDS = tuple(column.name for column in ITEM_COLUMNS[5:])


class ArchivedRow(NamedTuple):
    """One archived entry of an event stream."""

    partition: int
    entry_id: EntryId
    fresh: bool
    """Whether the event was folded into no state."""
    event: Event | None
    """The event; None if this release cannot read it."""
    problem: tuple[str, str] = ("", "")
    """Why not: the kind of reason, and the detail."""


class ArchivedVector(NamedTuple):
    """One archived entry of an event stream that is a served vector."""

    partition: int
    entry_id: EntryId
    vector: ServedVector


def read_event_rows(rows: Any) -> Iterator[ArchivedRow]:
    """Read the rows of an Arrow record batch that has EVENT_COLUMNS, in their order."""
    read: dict[str, Any] = {name: rows[name].to_pylist() for name in _COLUMNS if name not in {"event_time", "items"}}
    read["event_time"] = rows["event_time"].cast("int64").to_pylist()
    read["items"] = _items(rows["items"])
    for partition, unix_millis, sequence, *fields in zip(*(read[name] for name in _COLUMNS), strict=True):
        fresh, event_id, kind, user_id, time_unix_micros, session_id, items, country, device, *rest = fields
        order_id, value_micros, currency, server_clock_unix_micros, numbers, labels, unreadable = rest
        entry_id = EntryId(unix_millis, sequence)
        if unreadable is not None:
            # A release older than the servers may have archived it.
            try:
                yield ArchivedRow(partition, entry_id, fresh, decode_event(unreadable))
            except StateError as error:
                yield ArchivedRow(partition, entry_id, fresh, None, ("unreadable event", str(error)))
            continue
        known_type = EventType.__members__.get(kind)
        if known_type is None:
            yield ArchivedRow(partition, entry_id, fresh, None, ("unknown event type", str(kind)))
            continue
        event = Event(
            event_id,
            known_type,
            user_id,
            time_unix_micros,
            session_id,
            items,
            country,
            Device[device],
            order_id,
            value_micros,
            currency,
            server_clock_unix_micros or 0,
            dict(numbers or ()),
            dict(labels or ()),
        )
        yield ArchivedRow(partition, entry_id, fresh, event)


def read_vector_rows(rows: Any) -> Iterator[ArchivedVector]:
    """Read the rows of an Arrow table that has VECTOR_COLUMNS, in their order."""
    times = rows["as_of"].cast("int64").to_pylist()
    for row, as_of_unix_micros in zip(rows.drop_columns("as_of").to_pylist(), times, strict=True):
        partition, unix_millis, sequence = (row.pop(name) for name in _PLACE)
        row["values"] = np.array(row["values"], dtype="<f4").tobytes()
        others = zip(row.pop("other_versions") or (), row.pop("other_scores") or (), strict=True)
        # Files of an older release lack columns: a null is the field's default.
        known = {name: value for name, value in row.items() if value is not None}
        vector = ServedVector(**known, as_of_unix_micros=as_of_unix_micros, others=tuple(others))
        yield ArchivedVector(partition, EntryId(unix_millis, sequence), vector)


def _items(column: Any) -> Iterator[tuple[Item, ...]]:
    """Read the lists of items; a null is an empty one."""
    # Arrow's own way makes a dictionary of every item, which takes most of the time of reading.
    flat = column.flatten()
    fields = [flat.field(name).to_pylist() for name in _ITEM_FIELDS]
    every = list(map(Item, *fields, _shown(flat)))
    start = 0
    for length in column.value_lengths().to_pylist():
        end = start + (length or 0)
        yield tuple(every[start:end])
        start = end


def _shown(items: Any) -> list[Shown | None]:
    """Read how each item was shown; files of an older release do not say."""
    if items.type.get_field_index(_SHOWN_FIELDS[0]) < 0 or items.field(_SHOWN_FIELDS[0]).null_count == len(items):
        return [None] * len(items)
    columns = (items.field(name).to_pylist() for name in _SHOWN_FIELDS)
    return [None if position is None else Shown(position, *rest) for position, *rest in zip(*columns, strict=True)]
