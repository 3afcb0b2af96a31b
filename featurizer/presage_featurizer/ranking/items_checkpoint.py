"""Columns as chunks of bytes, from which they are restored: what a new server reads instead of a month of buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from presage_featurizer.errors import CorruptStateError
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import frame, read_frame
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_featurizer.ranking.items_countries import Counted
from presage_featurizer.ranking.items_windows import HourCounts

__all__ = ["ROWS_PER_CHUNK", "checkpoint_chunks", "restore_checkpoint"]

CHECKPOINT_VERSION = 2
"""1 has no countries."""
ROWS_PER_CHUNK = 10_000
"""Rows in one chunk at most, which is about 3 MB."""

_COUNTS_PER_CHUNK = 100_000
_COLUMNS = {
    "digests": "<u8",
    "prices": "<f8",
    "categories": "<i8",
    "brands": "<i8",
    "first_seen_unix_micros": "<i8",
    "said": "u1",
}
_LIVE_COLUMNS = {"prices": "<f8", "is_priced": "?", "stock": "<i8", "blocked": "?"}


class _Header(msgspec.Struct, tag="header"):
    bucket_micros: int
    epoch: int
    rows: int
    first_hours: list[int]
    newest_hour: int
    codes: dict[str, list[str]]
    chunks: int
    """How many follow."""


class _Rows(msgspec.Struct, tag="rows"):
    start: int
    ids: list[str]
    columns: dict[str, bytes]
    sums: bytes
    live: dict[str, bytes]
    tags: dict[int, tuple[str, ...]]
    """By place in the chunk, where there are any."""


class _Hour(msgspec.Struct, tag="hour"):
    hour: int
    keys: bytes
    amounts: bytes


class _Pending(msgspec.Struct, tag="pending"):
    changes: list[CatalogueChange]


class _Countries(msgspec.Struct, tag="countries"):
    counted: list[tuple[int, str, bytes, bytes]]
    """Hours, countries, keys and amounts."""


_decode = msgspec.msgpack.Decoder(_Header | _Rows | _Hour | _Pending | _Countries).decode


def checkpoint_chunks(columns: ItemColumns) -> Iterator[bytes]:
    """Write columns as chunks, one after the other, so that no more than one is in memory."""
    starts = range(0, len(columns), ROWS_PER_CHUNK)
    hours = columns.windows.hours()
    pieces = [
        (hour, start) for hour, counts in hours.items() for start in range(0, len(counts.keys), _COUNTS_PER_CHUNK)
    ]
    countries = _country_pieces(columns)
    pending = list(columns.live.pending)
    pending_starts = range(0, len(pending), ROWS_PER_CHUNK)
    yield _framed(
        _Header(
            columns.bucket_micros,
            columns.epoch,
            len(columns),
            columns.windows.first_hours,
            columns.windows.newest_hour,
            {kind: list(codes) for kind, codes in columns.codes.items()},
            len(starts) + len(pieces) + len(countries) + len(pending_starts),
        )
    )
    for start in starts:
        yield _framed(_rows(columns, start))
    for hour, start in pieces:
        piece = slice(start, start + _COUNTS_PER_CHUNK)
        counts = hours[hour]
        yield _framed(_Hour(hour, counts.keys[piece].tobytes(), counts.amounts[piece].astype("<i4").tobytes()))
    for counted in countries:
        yield _framed(
            _Countries(
                [
                    (hour, country, counts.keys.tobytes(), counts.amounts.astype("<i4").tobytes())
                    for hour, country, counts in counted
                ]
            )
        )
    for start in pending_starts:
        yield _framed(_Pending(pending[start : start + ROWS_PER_CHUNK]))


def restore_checkpoint(chunks: Iterable[bytes]) -> ItemColumns:
    """Rebuild columns from chunks in their order; one is in memory at a time.

    Raises:
        CorruptStateError: A chunk fails its checksum, or they are not the chunks of one checkpoint.
        NewerStateError: A newer release wrote them.
    """
    columns: ItemColumns | None = None
    expected = count = 0
    counted: list[Counted] = []
    for encoded in chunks:
        chunk = read_frame(encoded, dict.fromkeys((1, CHECKPOINT_VERSION), _decode), "items' checkpoint")
        if isinstance(chunk, _Header):
            columns, expected = _begin(chunk), chunk.chunks
            continue
        if columns is None:
            raise CorruptStateError("items' checkpoint: expected the header first")
        count += 1
        if isinstance(chunk, _Rows):
            _restore_rows(columns, chunk)
        elif isinstance(chunk, _Hour):
            columns.windows.restore(chunk.hour, _counts_of(chunk.keys, chunk.amounts))
        elif isinstance(chunk, _Countries):
            counted += [(hour, country, _counts_of(keys, amounts)) for hour, country, keys, amounts in chunk.counted]
        else:
            columns.apply_changes(chunk.changes)
    if columns is None or count != expected:
        raise CorruptStateError(f"items' checkpoint: expected {expected} chunks after the header, got {count}")
    columns.countries.restore(counted, columns.windows.newest_hour)
    return columns


def _framed(chunk: Any) -> bytes:
    return frame(CHECKPOINT_VERSION, chunk)


def _rows(columns: ItemColumns, start: int) -> _Rows:
    piece = slice(start, min(start + ROWS_PER_CHUNK, len(columns)))
    live = columns.live
    return _Rows(
        start,
        columns.ids[piece],
        {name: getattr(columns, name)[piece].astype(kind).tobytes() for name, kind in _COLUMNS.items()},
        columns.sums[:, :, piece].astype("<i4").tobytes(),
        {name: getattr(live, name)[piece].astype(kind).tobytes() for name, kind in _LIVE_COLUMNS.items()},
        {place: tags for place, tags in enumerate(live.tags[piece]) if tags},
    )


def _counts_of(keys: bytes, amounts: bytes) -> HourCounts:
    return HourCounts(np.frombuffer(keys, "<i8"), np.frombuffer(amounts, "<i4"))


def _country_pieces(columns: ItemColumns) -> list[list[Counted]]:
    """Return the counts by hour and country, as many as one chunk may have in each list."""
    pieces: list[list[Counted]] = []
    room = 0
    for hour, country, counts in columns.countries.hours():
        for start in range(0, len(counts.keys), _COUNTS_PER_CHUNK):
            piece = slice(start, start + _COUNTS_PER_CHUNK)
            part = HourCounts(counts.keys[piece], counts.amounts[piece])
            if len(part.keys) > room:
                pieces.append([])
                room = _COUNTS_PER_CHUNK
            pieces[-1].append((hour, country, part))
            room -= len(part.keys)
    return pieces


def _begin(header: _Header) -> ItemColumns:
    columns = ItemColumns(header.bucket_micros)
    columns.epoch = header.epoch
    columns.codes = {kind: {name: code for code, name in enumerate(names)} for kind, names in header.codes.items()}
    columns.windows.first_hours = header.first_hours
    columns.windows.newest_hour = header.newest_hour
    columns.resize(header.rows)
    columns.live.grow(header.rows, columns.index)
    columns.live.size = header.rows
    return columns


def _restore_rows(columns: ItemColumns, chunk: _Rows) -> None:
    piece = slice(chunk.start, chunk.start + len(chunk.ids))
    if chunk.start != len(columns.ids) or piece.stop > len(columns):
        raise CorruptStateError(f"items' checkpoint: expected rows from {len(columns.ids)} on, got {piece}")
    try:
        for name, kind in _COLUMNS.items():
            getattr(columns, name)[piece] = np.frombuffer(chunk.columns[name], kind)
        for name, kind in _LIVE_COLUMNS.items():
            getattr(columns.live, name)[piece] = np.frombuffer(chunk.live[name], kind)
        sums = columns.sums[:, :, piece]
        sums[:] = np.frombuffer(chunk.sums, "<i4").reshape(sums.shape)
    except (KeyError, ValueError) as error:
        raise CorruptStateError(f"items' checkpoint: {error}") from error
    columns.ids.extend(chunk.ids)
    columns.index.add(columns.digests[: piece.stop])
    for place, tags in chunk.tags.items():
        columns.live.tags[chunk.start + place] = tags
