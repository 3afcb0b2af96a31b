"""Entries of the event streams as Parquet: one row each, in files by day, events and served vectors apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

from presage_featurizer import Event, Item, StateError, decode_event
from presage_server.archive.vectors import read_vector, to_vector_table
from presage_server.eventlog.consumer_group import Entry
from presage_server.eventlog.sampling import ServedVector

__all__ = ["COLUMNS", "day_of", "parts_by_day", "to_table"]

_ITEM = pa.struct(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("brand", pa.string(), nullable=False),
        pa.field("price_micros", pa.int64(), nullable=False),
        pa.field("quantity", pa.int64(), nullable=False),
    ]
)

COLUMNS = pa.schema(
    [
        pa.field("partition", pa.int16(), nullable=False),
        pa.field("entry_unix_millis", pa.int64(), nullable=False),
        pa.field("entry_sequence", pa.int64(), nullable=False),
        pa.field("fresh", pa.bool_(), nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("type", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("event_time", pa.timestamp("us", tz="UTC")),
        pa.field("session_id", pa.string()),
        pa.field("items", pa.list_(pa.field("element", _ITEM, nullable=False))),
        pa.field("country", pa.string()),
        pa.field("device", pa.string()),
        pa.field("order_id", pa.string()),
        pa.field("value_micros", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("unreadable_event", pa.binary()),
    ]
)
"""The columns: the entry's place, the fields of ``presage_featurizer.Event`` under their names, and the bytes of an event that
cannot be read, whose other fields are null. A visitor's events, sorted by the entry's place, are in the order they were applied."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_INT64 = 2**63 - 1


def parts_by_day(entries: Iterable[Entry]) -> dict[str, Callable[[BinaryIO], None]]:
    """Deal entries out by day; answer with what writes each file, by its folder.

    A served vector goes to the day that it was assembled for; an event that cannot be read to that on which the store took it.
    """
    days: dict[str, list[tuple[Entry, Event | None]]] = {}
    vectors: dict[str, list[tuple[Entry, ServedVector]]] = {}
    for entry in sorted(entries, key=_place):
        vector = read_vector(entry.vector) if entry.vector else None
        if vector is not None:
            day = _day_of(timedelta(microseconds=vector.as_of_unix_micros))
            vectors.setdefault(f"vectors/day={day}", []).append((entry, vector))
            continue
        event = _read(entry.event)
        day = _day_of(timedelta(milliseconds=entry.entry_id.unix_millis)) if event is None else day_of(event)
        days.setdefault(f"events/day={day}", []).append((entry, event))
    return {
        **{folder: partial(_write, to_table(rows)) for folder, rows in days.items()},
        **{folder: partial(_write, to_vector_table(rows)) for folder, rows in vectors.items()},
    }


def day_of(event: Event) -> str:
    """Tell the day of an event, in UTC: YYYY-MM-DD."""
    return _day_of(timedelta(microseconds=event.event_time_unix_micros))


def to_table(rows: Sequence[tuple[Entry, Event | None]]) -> pa.Table:
    """Make a table of entries and their events, None for those that cannot be read."""
    entries = [entry for entry, _ in rows]
    events = [event for _, event in rows]

    def texts(read: Callable[[Event], str]) -> pa.Array:
        return pa.array([None if event is None else read(event) for event in events], pa.string())

    columns: dict[str, Any] = {
        "partition": pa.array([entry.partition for entry in entries], pa.int16()),
        "entry_unix_millis": pa.array([entry.entry_id.unix_millis for entry in entries], pa.int64()),
        "entry_sequence": pa.array([entry.entry_id.sequence for entry in entries], pa.int64()),
        "fresh": pa.array([entry.fresh for entry in entries], pa.bool_()),
        "event_id": texts(lambda event: event.event_id),
        "type": texts(lambda event: event.type.name),
        "user_id": texts(lambda event: event.user_id),
        "event_time": pa.array(
            [None if event is None else event.event_time_unix_micros for event in events], pa.int64()
        ).cast(COLUMNS.field("event_time").type),
        "session_id": texts(lambda event: event.session_id),
        "items": _items([None if event is None else event.items for event in events]),
        "country": texts(lambda event: event.country),
        "device": texts(lambda event: event.device.name),
        "order_id": texts(lambda event: event.order_id),
        "value_micros": pa.array([None if event is None else event.value_micros for event in events], pa.int64()),
        "currency": texts(lambda event: event.currency),
        "unreadable_event": pa.array([entry.event if event is None else None for entry, event in rows], pa.binary()),
    }
    return pa.table([columns[name] for name in COLUMNS.names], schema=COLUMNS)


def _items(carts: Sequence[tuple[Item, ...] | None]) -> pa.Array:
    offsets: list[int | None] = []
    end = 0
    for cart in carts:
        offsets.append(None if cart is None else end)
        end += len(cart or ())
    items = [item for cart in carts for item in cart or ()]
    values = pa.StructArray.from_arrays(
        [pa.array([getattr(item, field.name) for item in items], field.type) for field in _ITEM], fields=list(_ITEM)
    )
    return pa.ListArray.from_arrays(pa.array([*offsets, end], pa.int32()), values, type=COLUMNS.field("items").type)


def _write(table: pa.Table, stream: BinaryIO) -> None:
    parquet.write_table(table, stream, compression="zstd")


def _place(entry: Entry) -> tuple[int, int, int]:
    return entry.partition, *entry.entry_id


def _read(encoded: bytes) -> Event | None:
    try:
        event = decode_event(encoded)
        day_of(event)
    except (StateError, OverflowError):
        return None
    # One event that does not fit must not hold up all that follow.
    numbers = [
        event.value_micros or 0,
        *(number for item in event.items for number in (item.price_micros, item.quantity)),
    ]
    return event if all(-_MAX_INT64 <= number <= _MAX_INT64 for number in numbers) else None


def _day_of(since_epoch: timedelta) -> str:
    return (_EPOCH + since_epoch).date().isoformat()
