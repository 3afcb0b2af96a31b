"""The event streams as a consumer group sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from presage_server.archive.errors import ArchiveStoreError, StreamsGoneError
from presage_server.eventlog.positions import BEGINNING, EntryId, Position, StreamInfo
from presage_server.store.keys import PARTITIONS, stream_key

__all__ = ["ENTRIES_PER_READ", "STREAMS_PER_READ", "Entry", "EventStreams", "Reading", "connect"]

STREAMS_PER_READ = 16
"""Streams that one call reads at most."""
ENTRIES_PER_READ = 128
"""Entries that one call brings at most: the store serves nobody else meanwhile."""

_CONSUMER = "archive"
_IDS_PER_CALL = 512
_OLDEST = (6, 2)
_COUNTS_ENTRIES = (7, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    partition: int
    entry_id: EntryId
    event: bytes
    """The event as the server encoded it; empty if the entry is none of ours."""
    fresh: bool
    """Whether the event was folded into no state."""
    vector: bytes = b""
    """A served vector, if it is one and no event; see ``presage_server.eventlog.sampling``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one call brought of one stream."""

    info: StreamInfo
    """The stream just before the call took from it."""
    entries: Sequence[Entry]
    """The entries that follow those of earlier calls."""
    full: bool
    """Whether there may be more."""


class EventStreams:
    """All event streams of a store, followed with one consumer group.

    Calls raise redis-py's errors, with which nothing is lost as long as ``prepare`` comes before the next read.

    Args:
        redis: A client that sends nothing twice; see ``connect``.
        group: The group's name.
        counts_entries: Whether the store counts the entries that a stream ever had.
    """

    def __init__(self, redis: Redis, group: str, *, counts_entries: bool) -> None:
        self._redis = redis
        self._group = group
        self._counts_entries = counts_entries

    def beginnings(self) -> dict[int, Position]:
        """Make the group in all streams, before their first entries; answer with the positions of a new archive.

        What left the streams before now is not the archive's to miss.
        """
        self.prepare({partition: Position() for partition in range(PARTITIONS)}, committed={})
        pipeline: Any = self._redis.pipeline(transaction=False)
        for partition in range(PARTITIONS):
            pipeline.execute_command("XINFO", "STREAM", stream_key(partition))
        infos = [_stream_info(reply) for reply in pipeline.execute()]
        return {
            partition: Position(counted=None if info.added is None else info.added - info.length)
            for partition, info in enumerate(infos)
        }

    def prepare(self, positions: Mapping[int, Position], *, committed: Mapping[int, Position]) -> None:
        """Have the next read of each stream bring what follows a position, whatever was delivered before.

        Args:
            positions: After which entry to go on.
            committed: Up to which entry the archive's files reach: what is pending up to there is acknowledged.
        """
        pipeline: Any = self._redis.pipeline(transaction=False)
        for partition in positions:
            pipeline.execute_command("XINFO", "GROUPS", stream_key(partition))
        replies = pipeline.execute(raise_on_error=False)
        pending = []
        for (partition, position), reply in zip(positions.items(), replies, strict=True):
            group = self._find_group(reply)
            entries_read = position.counted if self._counts_entries else None
            key, last = stream_key(partition), str(position.last)
            if group is None:
                pipeline.xgroup_create(key, self._group, last, mkstream=True, entries_read=entries_read)
            else:
                # Not made anew, because a store that is out of memory refuses that.
                pipeline.xgroup_setid(key, self._group, last, entries_read=entries_read)
                if group[b"pending"] and partition in committed:
                    pending.append(partition)
        pipeline.execute()
        for partition in pending:
            self._acknowledge_until(partition, committed[partition].last)

    def read(self, partitions: Sequence[int]) -> dict[int, Reading]:
        """Read what follows in some streams, at most STREAMS_PER_READ; those that were read to their end have ``full`` unset.

        Raises:
            StreamsGoneError: One of them, or its group, is not there any more; ``prepare`` makes them again.
        """
        count = ENTRIES_PER_READ // len(partitions)
        # One transaction, so that nothing leaves a stream between looking at it and reading it.
        pipeline: Any = self._redis.pipeline(transaction=True)
        for partition in partitions:
            pipeline.execute_command("XINFO", "STREAM", stream_key(partition))
        streams: dict[Any, Any] = {stream_key(partition): ">" for partition in partitions}
        pipeline.xreadgroup(self._group, _CONSUMER, streams, count=count)
        try:
            *infos, delivered = pipeline.execute()
        except ResponseError as error:
            if any(reason in str(error) for reason in ("no such key", "NOGROUP")):
                raise StreamsGoneError(f"the store: {str(error)[:200]}") from error
            raise
        found: dict[bytes, list[tuple[bytes, dict[bytes, bytes]]]] = dict(delivered or ())
        readings = {}
        for partition, info in zip(partitions, infos, strict=True):
            entries = [
                Entry(
                    partition,
                    EntryId.parse(entry_id),
                    fields.get(b"event", b""),
                    b"fresh" in fields,
                    fields.get(b"vector", b""),
                )
                for entry_id, fields in found.get(stream_key(partition).encode(), ())
            ]
            readings[partition] = Reading(_stream_info(info), entries, full=len(entries) == count)
        return readings

    def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Tell the store that entries are archived."""
        ids: dict[int, list[str]] = {}
        for entry in entries:
            ids.setdefault(entry.partition, []).append(str(entry.entry_id))
        pipeline: Any = self._redis.pipeline(transaction=False)
        for partition, mine in ids.items():
            waiting = iter(mine)
            while call := list(islice(waiting, _IDS_PER_CALL)):
                pipeline.xack(stream_key(partition), self._group, *call)
        pipeline.execute()

    def _acknowledge_until(self, partition: int, last: EntryId) -> None:
        if last == BEGINNING:
            return
        key = stream_key(partition)
        while pending := self._redis.xpending_range(key, self._group, "-", str(last), _IDS_PER_CALL):
            self._redis.xack(key, self._group, *(each["message_id"] for each in pending))

    def _find_group(self, reply: Any) -> dict[bytes, Any] | None:
        if isinstance(reply, ResponseError) and "no such key" in str(reply):
            return None
        if isinstance(reply, Exception):
            raise reply
        groups = (_pairs(group) for group in reply)
        return next((group for group in groups if group[b"name"] == self._group.encode()), None)


def connect(url: str, *, timeout_seconds: float) -> tuple[Redis, bool]:
    """Connect to a store; answers with a client, and whether the store counts the entries that a stream ever had.

    Raises:
        ArchiveStoreError: The URL cannot be understood, or the store cannot be reached or is too old.
    """
    try:
        redis: Redis = Redis.from_url(
            url,
            protocol=2,
            # A read that is sent a second time skips what the first one was given.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            client_name="presage-archive",
        )
    except ValueError as error:
        raise ArchiveStoreError(f"redis_url: cannot be understood: {error}") from error
    try:
        info: Any = redis.info("server")
    except (RedisError, OSError) as error:
        redis.close()
        raise ArchiveStoreError(f"redis_url: the store cannot be used: {error}") from error
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < _OLDEST:
        redis.close()
        raise ArchiveStoreError(f"redis_url: expected Redis 6.2 or newer, got {info['redis_version']}")
    return redis, version >= _COUNTS_ENTRIES


def _stream_info(reply: list[Any]) -> StreamInfo:
    info = _pairs(reply)
    first, newest = info[b"first-entry"], info[b"last-entry"]
    return StreamInfo(
        length=info[b"length"],
        first=EntryId.parse(first[0]) if first else None,
        newest=EntryId.parse(newest[0]) if newest else None,
        last_generated=EntryId.parse(info[b"last-generated-id"]),
        added=info.get(b"entries-added"),
    )


def _pairs(reply: list[Any]) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
