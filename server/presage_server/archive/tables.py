"""Entries of the event streams as Arrow tables: one row each, events, served vectors and exposures apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from presage_featurizer import Event, Item, Shown
from presage_featurizer.event_log import (
    EVENT_COLUMNS,
    EXPOSURE_ARRAYS,
    EXPOSURE_COLUMNS,
    ITEM_COLUMNS,
    VECTOR_COLUMNS,
    Column,
    Entry,
    Exposure,
    ServedVector,
)

__all__ = [
    "EVENT_SCHEMA",
    "EXPOSURE_SCHEMA",
    "VECTOR_SCHEMA",
    "schema_of",
    "to_event_table",
    "to_exposure_table",
    "to_vector_table",
]


def _list_of(element: Any) -> Any:
    return pa.list_(pa.field("element", element, nullable=False))


_TYPES: dict[str, Any] = {
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "double": pa.float64(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "string": pa.string(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    "uint64": pa.uint64(),
    "list<double>": _list_of(pa.float64()),
    "list<float>": _list_of(pa.float32()),
    "list<string>": _list_of(pa.string()),
    "list<int64>": _list_of(pa.int64()),
    "list<uint8>": _list_of(pa.uint8()),
    "list<uint16>": _list_of(pa.uint16()),
    "list<uint64>": _list_of(pa.uint64()),
    "list<list<string>>": _list_of(_list_of(pa.string())),
    "map<string, double>": pa.map_(pa.string(), pa.field("value", pa.float64(), nullable=False)),
    "map<string, string>": pa.map_(pa.string(), pa.field("value", pa.string(), nullable=False)),
}


def _fields(columns: Iterable[Column]) -> list[Any]:
    return [pa.field(column.name, _TYPES[column.type], nullable=column.nullable) for column in columns]


def schema_of(columns: Iterable[Column]) -> pa.Schema:
    """Return the schema of files with these columns."""
    return pa.schema(_fields(columns))


_ITEM = pa.struct(_fields(ITEM_COLUMNS))
_TYPES["list<item>"] = pa.list_(pa.field("element", _ITEM, nullable=False))

EVENT_SCHEMA = schema_of(EVENT_COLUMNS)
VECTOR_SCHEMA = schema_of(VECTOR_COLUMNS)
EXPOSURE_SCHEMA = schema_of(EXPOSURE_COLUMNS)


def to_event_table(rows: Sequence[tuple[Entry, Event | None]]) -> pa.Table:
    """Make a table of entries and their events, None for those that cannot be read."""
    events = [event for _, event in rows]

    def values(read: Callable[[Event], object]) -> list[object]:
        return [None if event is None else read(event) for event in events]

    times = pa.array(values(lambda event: event.event_time_unix_micros), pa.int64())
    columns: dict[str, Any] = {
        **_place([entry for entry, _ in rows]),
        "fresh": [entry.no_prior_state for entry, _ in rows],
        "event_id": values(lambda event: event.event_id),
        "type": values(lambda event: event.type.name),
        "user_id": values(lambda event: event.user_id),
        "event_time": times.cast(EVENT_SCHEMA.field("event_time").type),
        "session_id": values(lambda event: event.session_id),
        "items": _items([None if event is None else event.items for event in events]),
        "country": values(lambda event: event.country),
        "device": values(lambda event: event.device.name),
        "order_id": values(lambda event: event.order_id),
        "value_micros": values(lambda event: event.value_micros),
        "currency": values(lambda event: event.currency),
        "server_clock_unix_micros": values(lambda event: event.server_clock_unix_micros or None),
        "numbers": values(lambda event: list(event.numbers.items())),
        "labels": values(lambda event: list(event.labels.items())),
        "unreadable_event": [entry.event if event is None else None for entry, event in rows],
    }
    return _table(columns, EVENT_SCHEMA)


def to_vector_table(rows: Sequence[tuple[Entry, ServedVector]]) -> pa.Table:
    """Make a table of entries and their vectors."""
    vectors = [vector for _, vector in rows]
    same_names = ("user_id", "session_id", "last_event", "model", "model_version", "fingerprint", "score")
    newer_names = ("arm", "propensity", "prior")
    columns: dict[str, Any] = {
        **_place([entry for entry, _ in rows]),
        "as_of": [vector.as_of_unix_micros for vector in vectors],
        "values": _lists([vector.features for vector in vectors], VECTOR_SCHEMA.field("values")),
        **{name: [getattr(vector, name) for vector in vectors] for name in (*same_names, *newer_names)},
        "other_versions": [[version for version, _ in vector.others] for vector in vectors],
        "other_scores": [[score for _, score in vector.others] for vector in vectors],
    }
    return _table(columns, VECTOR_SCHEMA)


def to_exposure_table(rows: Sequence[tuple[Entry, Exposure]]) -> pa.Table:
    """Make a table of entries and their exposures."""
    exposures = [exposure for _, exposure in rows]
    columns: dict[str, Any] = {
        **_place([entry for entry, _ in rows]),
        "as_of": [exposure.as_of_unix_micros for exposure in exposures],
        "other_versions": [[version for version, _ in exposure.others] for exposure in exposures],
        "other_scores": _lists(
            [np.frombuffer(b"".join(scores for _, scores in exposure.others), "<f8") for exposure in exposures],
            EXPOSURE_SCHEMA.field("other_scores"),
        ),
    }
    for name in EXPOSURE_SCHEMA.names:
        if dtype := EXPOSURE_ARRAYS.get(name):
            arrays = [np.frombuffer(getattr(exposure, name), dtype) for exposure in exposures]
            columns[name] = _lists(arrays, EXPOSURE_SCHEMA.field(name))
        elif name not in columns:
            columns[name] = [getattr(exposure, name) for exposure in exposures]
    return _table(columns, EXPOSURE_SCHEMA)


def _lists(arrays: Sequence[Any], field: pa.Field) -> pa.Array:
    offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.concatenate(arrays), type=field.type)


def _place(entries: Sequence[Entry]) -> dict[str, list[int]]:
    return {
        "partition": [entry.partition for entry in entries],
        "entry_unix_millis": [entry.entry_id.unix_millis for entry in entries],
        "entry_sequence": [entry.entry_id.sequence for entry in entries],
    }


def _items(lists: Sequence[tuple[Item, ...] | None]) -> pa.Array:
    offsets: list[int | None] = []
    end = 0
    for items in lists:
        offsets.append(None if items is None else end)
        end += len(items or ())
    every_item = [item for items in lists for item in items or ()]
    shown = [item.shown for item in every_item]

    def column(field: pa.Field) -> list[object]:
        if field.name in Shown.__struct_fields__:
            return [None if how is None else getattr(how, field.name) for how in shown]
        return [getattr(item, field.name) for item in every_item]

    values = pa.StructArray.from_arrays(
        [pa.array(column(field), field.type) for field in _ITEM],
        fields=list(_ITEM),
    )
    return pa.ListArray.from_arrays(
        pa.array([*offsets, end], pa.int32()), values, type=EVENT_SCHEMA.field("items").type
    )


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns[field.name]
        arrays.append(values if isinstance(values, pa.Array) else pa.array(values, field.type))
    return pa.table(arrays, schema=schema)
