"""Counted hours in the store: a hash for each version and day, with a field for each hour and process."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from presage_export.drift import BUCKETS, Hour
from presage_server.drift.baselines import VersionBaseline

__all__ = ["DAYS_KEPT", "HOURS_TAG", "read_hours", "write_hours"]

DAYS_KEPT = 40
"""For how many days hours are kept."""

HOURS_TAG = "{drift}"
"""What the keys begin with: on a cluster, all of them are on one server."""

_HOURS = 24
_DAY_SECONDS = 86_400
_COUNTS = np.dtype("<u4")
_MAX_BYTES = 1 << 20


class _StoredHour(msgspec.Struct, array_like=True, frozen=True):
    """What a field holds."""

    rows: int
    compressed: bytes
    """Counts of the bins, then of the visitors' buckets, little-endian uint32."""


async def write_hours(redis: AsyncRedis, hours: Iterable[tuple[VersionBaseline, Hour]], *, writer: str) -> None:
    """Store hours; one that was stored before is replaced. Raises RedisError.

    Args:
        redis: The store.
        hours: What to store.
        writer: This process, so that it replaces nothing but its own.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        for version, hour in hours:
            key = _key(version, hour.number // _HOURS)
            field = f"{hour.number % _HOURS}:{writer}"
            pipeline.hset(key, field, _encode(hour))
            pipeline.expire(key, DAYS_KEPT * _DAY_SECONDS)
        await pipeline.execute()


def read_hours(redis: Redis, version: VersionBaseline, *, first: int, last: int) -> tuple[list[Hour], int]:
    """Read the hours of a version, added up over all processes. Raises RedisError.

    Args:
        redis: The store.
        version: Whose.
        first: Number of the first hour.
        last: Number of the last hour.

    Returns:
        The hours that are there, in order, and how many fields cannot be read.
    """
    bins = version.baseline.layout.bins
    found: dict[int, Hour] = {}
    unreadable = 0
    for day in range(first // _HOURS, last // _HOURS + 1):
        fields: dict[Any, Any] = redis.hgetall(_key(version, day))
        for field, data in fields.items():
            try:
                number = day * _HOURS + int(field.split(b":")[0])
                hour = _decode(data, number, bins)
            except (ValueError, zlib.error, msgspec.MsgspecError):
                unreadable += 1
                continue
            if first <= number <= last:
                found[number] = found[number] + hour if number in found else hour
    return [found[number] for number in sorted(found)], unreadable


def _key(version: VersionBaseline, day: int) -> str:
    return f"{HOURS_TAG}:{version.model}:{version.version}:{version.digest}:{day}"


def _encode(hour: Hour) -> bytes:
    counts = np.concatenate([hour.counts, hour.visitors]).astype(_COUNTS)
    return msgspec.msgpack.encode(_StoredHour(hour.rows, zlib.compress(counts.tobytes(), 1)))


def _decode(data: bytes, number: int, bins: int) -> Hour:
    stored = msgspec.msgpack.decode(data, type=_StoredHour)
    unpacked = zlib.decompressobj().decompress(stored.compressed, _MAX_BYTES)
    counts = np.frombuffer(unpacked, _COUNTS).astype(np.int64)
    if len(counts) != bins + BUCKETS:
        raise ValueError(f"expected {bins + BUCKETS} counts, got {len(counts)}")
    hour = Hour(number=number, counts=counts[:bins], visitors=counts[bins:])
    if hour.rows != stored.rows:
        raise ValueError(f"expected {stored.rows} rows, got {hour.rows}")
    return hour
