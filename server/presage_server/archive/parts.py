"""A batch of entries as Parquet files: one for each day, events, served vectors and exposures apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO

from pyarrow import parquet

from presage_featurizer import Event, StateError, decode_event
from presage_featurizer.event_log import (
    EVENTS,
    EXPOSURES,
    VECTORS,
    Entry,
    Exposure,
    ServedVector,
    day_folder,
    decode_exposure,
    decode_served_vector,
)
from presage_server.archive.tables import to_event_table, to_exposure_table, to_vector_table

__all__ = ["parts_by_day", "write_table"]

_MAX_INT64 = 2**63 - 1
_MAX_UINT64 = 2**64 - 1
_ROWS_PER_GROUP = 8_192
"""Rows are sorted by partition, so a reader of a few partitions skips the groups of rows that have none of them."""


def parts_by_day(entries: Iterable[Entry]) -> dict[str, Callable[[BinaryIO], None]]:
    """Distribute entries by day.

    An event goes to the day on which it happened, a served vector or an exposure to the day that it was computed for, and an event
    that cannot be read to the day on which the store received it.

    Returns:
        By folder, a function that writes the file.
    """
    events: dict[str, list[tuple[Entry, Event | None]]] = {}
    vectors: dict[str, list[tuple[Entry, ServedVector]]] = {}
    exposures: dict[str, list[tuple[Entry, Exposure]]] = {}
    for entry in sorted(entries, key=_place):
        vector = _read_vector(entry.vector)
        if vector is not None:
            folder = day_folder(VECTORS, vector.as_of_unix_micros)
            vectors.setdefault(folder, []).append((entry, vector))
            continue
        exposure = _read_exposure(entry.exposure)
        if exposure is not None:
            folder = day_folder(EXPOSURES, exposure.as_of_unix_micros)
            exposures.setdefault(folder, []).append((entry, exposure))
            continue
        event = _read_event(entry.event)
        time = entry.entry_id.unix_millis * 1_000 if event is None else event.event_time_unix_micros
        events.setdefault(day_folder(EVENTS, time), []).append((entry, event))
    return {
        **{folder: partial(write_table, to_event_table(rows)) for folder, rows in events.items()},
        **{folder: partial(write_table, to_vector_table(rows)) for folder, rows in vectors.items()},
        **{folder: partial(write_table, to_exposure_table(rows)) for folder, rows in exposures.items()},
    }


def write_table(table: Any, stream: BinaryIO) -> None:
    """Write a table as a file of an archive."""
    parquet.write_table(table, stream, compression="zstd", row_group_size=_ROWS_PER_GROUP)


def _place(entry: Entry) -> tuple[int, int, int]:
    return entry.partition, *entry.entry_id


def _read_event(encoded: bytes) -> Event | None:
    """Read an event; None if it cannot be read or does not fit the columns: it must not block those that follow."""
    try:
        event = decode_event(encoded)
        day_folder(EVENTS, event.event_time_unix_micros)
    except (StateError, OverflowError):
        return None
    numbers = [
        event.value_micros or 0,
        *(number for item in event.items for number in (item.price_micros, item.quantity)),
    ]
    return event if all(-_MAX_INT64 <= number <= _MAX_INT64 for number in numbers) else None


def _read_vector(encoded: bytes) -> ServedVector | None:
    if not encoded:
        return None
    try:
        return decode_served_vector(encoded)
    except StateError:
        return None


def _read_exposure(encoded: bytes) -> Exposure | None:
    if not encoded:
        return None
    try:
        exposure = decode_exposure(encoded)
    except StateError:
        return None
    numbers = (exposure.epoch, exposure.k, exposure.budget_micros or 0, exposure.cart_micros)
    fits = all(-_MAX_INT64 <= number <= _MAX_INT64 for number in numbers)
    return exposure if fits and 0 <= (exposure.anchor or 0) <= _MAX_UINT64 else None
