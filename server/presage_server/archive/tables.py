"""Served vectors as Parquet."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from presage_featurizer import MAX_UNIX_MICROS
from presage_server.eventlog.consumer_group import Entry
from presage_server.eventlog.sampling import ServedVector, decode_vector

__all__ = ["VECTOR_COLUMNS", "read_vector", "to_vector_table"]

VECTOR_COLUMNS = pa.schema(
    [
        pa.field("partition", pa.int16(), nullable=False),
        pa.field("entry_unix_millis", pa.int64(), nullable=False),
        pa.field("entry_sequence", pa.int64(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("as_of", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("last_event", pa.binary(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("values", pa.list_(pa.field("element", pa.float32(), nullable=False)), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
    ]
)
"""The columns: the entry's place in the event streams, and the fields of ``presage_server.eventlog.sampling.ServedVector``."""

_FLOAT_BYTES = 4


def read_vector(encoded: bytes) -> ServedVector | None:
    """Read an entry's vector; None if it is none, or does not fit the columns."""
    try:
        vector = decode_vector(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    fits = 0 <= vector.as_of_unix_micros <= MAX_UNIX_MICROS and len(vector.values) % _FLOAT_BYTES == 0
    return vector if fits else None


def to_vector_table(rows: Sequence[tuple[Entry, ServedVector]]) -> pa.Table:
    """Make a table of entries and their vectors."""
    entries, vectors = [entry for entry, _ in rows], [vector for _, vector in rows]
    values = [np.frombuffer(vector.values, dtype="<f4") for vector in vectors]
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    texts = {
        name: [getattr(vector, name) for vector in vectors]
        for name in ("user_id", "session_id", "model", "model_version", "fingerprint", "last_event", "score")
    }
    columns = {
        "partition": [entry.partition for entry in entries],
        "entry_unix_millis": [entry.entry_id.unix_millis for entry in entries],
        "entry_sequence": [entry.entry_id.sequence for entry in entries],
        "as_of": [vector.as_of_unix_micros for vector in vectors],
        "values": pa.ListArray.from_arrays(offsets, np.concatenate(values), type=VECTOR_COLUMNS.field("values").type),
        **texts,
    }
    return pa.table([_column(columns[field.name], field) for field in VECTOR_COLUMNS], schema=VECTOR_COLUMNS)


def _column(values: object, field: pa.Field) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, field.type)
