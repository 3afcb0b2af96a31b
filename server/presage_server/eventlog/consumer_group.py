"""All event streams of a store, read with one consumer group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from presage_featurizer.event_log import BEGINNING, PARTITIONS, Entry, EntryId, Position, stream_key
from presage_server.eventlog.errors import EventLogStoreError, StreamsGoneError
from presage_server.eventlog.positions import StreamInfo, pairs
from presage_server.store.url_errors import check_url, describe_url_error

__all__ = ["ENTRIES_PER_READ", "STREAMS_PER_READ", "ConsumerGroup", "StreamBatch", "connect"]

STREAMS_PER_READ = 16
"""The most streams that one call reads."""
ENTRIES_PER_READ = 128
"""The most entries that one call returns: the store serves nothing else meanwhile."""

_IDS_PER_CALL = 512
_OLDEST = (6, 2)
_COUNTS_ENTRIES = (7, 0)


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """What one call read from one stream."""

    info: StreamInfo
    """The stream just before the read."""
    entries: Sequence[Entry]
    """The entries that follow those of earlier calls."""
    full: bool
    """Whether there may be more."""


class ConsumerGroup:
    """A consumer group with one consumer, on all event streams.

    Calls raise redis-py's errors. After one, nothing is lost if ``seek`` comes before the next read.

    Args:
        redis: A client that sends nothing twice; see ``connect``.
        name: The group's name.
        consumer: The consumer's name.
        counts_entries: Whether the store counts the entries that a stream ever had.
    """

    def __init__(self, redis: Redis, *, name: str, consumer: str, counts_entries: bool) -> None:
        self._redis = redis
        self._name = name
        self._consumer = consumer
        self._counts_entries = counts_entries

    def create(self) -> dict[int, Position]:
        """Create the group before the first entry of every stream.

        Returns:
            The positions to begin with. Entries that left the streams before now are not counted as lost.
        """
        self.seek({partition: Position() for partition in range(PARTITIONS)}, committed={})
        pipeline: Any = self._redis.pipeline(transaction=False)
        for partition in range(PARTITIONS):
            pipeline.execute_command("XINFO", "STREAM", stream_key(partition))
        infos = [StreamInfo.parse(reply) for reply in pipeline.execute()]
        return {
            partition: Position(counted=None if info.added is None else info.added - info.length)
            for partition, info in enumerate(infos)
        }

    def seek(self, positions: Mapping[int, Position], *, committed: Mapping[int, Position]) -> None:
        """Make the next read of each stream return what follows a position, whatever was delivered before.

        Args:
            positions: The entries to continue after.
            committed: Up to where entries are safe elsewhere: those still pending are acknowledged.
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
                pipeline.xgroup_create(key, self._name, last, mkstream=True, entries_read=entries_read)
            else:
                # Not created again, because a store that is out of memory rejects that.
                pipeline.xgroup_setid(key, self._name, last, entries_read=entries_read)
                if group[b"pending"] and partition in committed:
                    pending.append(partition)
        pipeline.execute()
        for partition in pending:
            self._acknowledge_until(partition, committed[partition].last)

    def read(self, partitions: Sequence[int]) -> dict[int, StreamBatch]:
        """Read what follows in some streams, at most STREAMS_PER_READ.

        Raises:
            StreamsGoneError: One of them, or its group, no longer exists; ``seek`` creates them again.
        """
        count = ENTRIES_PER_READ // len(partitions)
        # One transaction, so that nothing leaves a stream between XINFO and the read.
        pipeline: Any = self._redis.pipeline(transaction=True)
        for partition in partitions:
            pipeline.execute_command("XINFO", "STREAM", stream_key(partition))
        streams: dict[Any, Any] = {stream_key(partition): ">" for partition in partitions}
        pipeline.xreadgroup(self._name, self._consumer, streams, count=count)
        try:
            *infos, delivered = pipeline.execute()
        except ResponseError as error:
            if any(reason in str(error) for reason in ("no such key", "NOGROUP")):
                raise StreamsGoneError(f"the store: {str(error)[:200]}") from error
            raise
        found: dict[bytes, list[tuple[bytes, dict[bytes, bytes]]]] = dict(delivered or ())
        batches = {}
        for partition, info in zip(partitions, infos, strict=True):
            replies = found.get(stream_key(partition).encode(), ())
            entries = [Entry.parse(partition, entry_id, fields) for entry_id, fields in replies]
            batches[partition] = StreamBatch(StreamInfo.parse(info), entries, full=len(entries) == count)
        return batches

    def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Acknowledge entries that were processed."""
        ids: dict[int, list[str]] = {}
        for entry in entries:
            ids.setdefault(entry.partition, []).append(str(entry.entry_id))
        pipeline: Any = self._redis.pipeline(transaction=False)
        for partition, ids_of_stream in ids.items():
            remaining = iter(ids_of_stream)
            while call := list(islice(remaining, _IDS_PER_CALL)):
                pipeline.xack(stream_key(partition), self._name, *call)
        pipeline.execute()

    def _acknowledge_until(self, partition: int, last: EntryId) -> None:
        if last == BEGINNING:
            return
        key = stream_key(partition)
        while pending := self._redis.xpending_range(key, self._name, "-", str(last), _IDS_PER_CALL):
            self._redis.xack(key, self._name, *(entry["message_id"] for entry in pending))

    def _find_group(self, reply: Any) -> dict[bytes, Any] | None:
        if isinstance(reply, ResponseError) and "no such key" in str(reply):
            return None
        if isinstance(reply, Exception):
            raise reply
        groups = (pairs(group) for group in reply)
        return next((group for group in groups if group[b"name"] == self._name.encode()), None)


def connect(url: str, *, client_name: str, timeout_seconds: float) -> tuple[Redis, bool]:
    """Connect to a store.

    Returns:
        A client, and whether the store counts the entries that a stream ever had.

    Raises:
        EventLogStoreError: The URL is not valid, or the store cannot be reached or is too old.
    """
    try:
        check_url(url)
        redis: Redis = Redis.from_url(
            url,
            protocol=2,
            # A read that is sent a second time skips the entries of the first.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            client_name=client_name,
        )
        redis.connection_pool.make_connection()  # where options that there are not are found
    except (ValueError, TypeError) as error:
        # Not chained: a traceback would show the error's own text.
        raise EventLogStoreError(f"redis_url: cannot be understood: {describe_url_error(url, error)}") from None
    try:
        info: Any = redis.info("server")
    except (RedisError, OSError) as error:
        redis.close()
        raise EventLogStoreError(f"redis_url: the store cannot be used: {error}") from error
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < _OLDEST:
        redis.close()
        raise EventLogStoreError(f"redis_url: expected Redis 6.2 or newer, got {info['redis_version']}")
    return redis, version >= _COUNTS_ENTRIES
