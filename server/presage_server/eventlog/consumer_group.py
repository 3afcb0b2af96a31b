"""All event streams of a store, read with one consumer group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from typing import Any

from redis.exceptions import ResponseError

from presage_featurizer.event_log import BEGINNING, PARTITIONS, Entry, EntryId, Position, stream_key
from presage_server.eventlog.errors import StreamsGoneError
from presage_server.eventlog.positions import StreamInfo, pairs
from presage_server.store.clients import StoreClients

__all__ = ["ENTRIES_PER_READ", "STREAMS_PER_READ", "ConsumerGroup", "StreamBatch"]

STREAMS_PER_READ = 16
"""The most streams that one call reads."""
ENTRIES_PER_READ = 128
"""The most entries that one call returns: the store serves nothing else meanwhile."""

_IDS_PER_CALL = 512
_READ = files("presage_server.eventlog").joinpath("read.lua").read_text()


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
        clients: Of the store.
        name: The group's name.
        consumer: The consumer's name.
        counts_entries: Whether the store counts the entries that a stream ever had.
    """

    def __init__(self, clients: StoreClients, *, name: str, consumer: str, counts_entries: bool) -> None:
        self._clients = clients
        self._name = name
        self._consumer = consumer
        self._counts_entries = counts_entries

    def create(self) -> dict[int, Position]:
        """Create the group before the first entry of every stream.

        Returns:
            The positions to begin with. Entries that left the streams before now are not counted as lost.
        """
        self.seek({partition: Position() for partition in range(PARTITIONS)}, committed={})
        replies = self._clients.each(
            range(PARTITIONS),
            lambda pipeline, partition: pipeline.execute_command("XINFO", "STREAM", stream_key(partition)),
        )
        infos = {partition: StreamInfo.parse(reply) for partition, reply in replies.items()}
        return {
            partition: Position(counted=None if info.added is None else info.added - info.length)
            for partition, info in infos.items()
        }

    def seek(self, positions: Mapping[int, Position], *, committed: Mapping[int, Position]) -> None:
        """Make the next read of each stream return what follows a position, whatever was delivered before.

        Args:
            positions: The entries to continue after.
            committed: Up to where entries are safe elsewhere: those still pending are acknowledged.
        """
        found = self._clients.each(
            list(positions),
            lambda pipeline, partition: pipeline.execute_command("XINFO", "GROUPS", stream_key(partition)),
            keep_errors=True,
        )
        groups = {partition: self._find_group(reply) for partition, reply in found.items()}

        def seek(pipeline: Any, partition: int) -> None:
            position = positions[partition]
            entries_read = position.counted if self._counts_entries else None
            key, last = stream_key(partition), str(position.last)
            if groups[partition] is None:
                pipeline.xgroup_create(key, self._name, last, mkstream=True, entries_read=entries_read)
            else:
                # Not created again, because a store that is out of memory rejects that.
                pipeline.xgroup_setid(key, self._name, last, entries_read=entries_read)

        self._clients.each(list(positions), seek)
        for partition, group in groups.items():
            if group is not None and group[b"pending"] and partition in committed:
                self._acknowledge_until(partition, committed[partition].last)

    def read(self, partitions: Sequence[int]) -> dict[int, StreamBatch]:
        """Read what follows in some streams, at most STREAMS_PER_READ.

        Raises:
            StreamsGoneError: One of them, or its group, no longer exists; ``seek`` creates them again.
        """
        count = ENTRIES_PER_READ // len(partitions)
        if self._clients.is_cluster:
            return self._read_each(partitions, count)
        # One transaction, so that nothing leaves a stream between XINFO and the read.
        pipeline: Any = self._clients.of_partition(partitions[0]).pipeline(transaction=True)
        for partition in partitions:
            pipeline.execute_command("XINFO", "STREAM", stream_key(partition))
        streams: dict[Any, Any] = {stream_key(partition): ">" for partition in partitions}
        pipeline.xreadgroup(self._name, self._consumer, streams, count=count)
        *infos, delivered = _existing(pipeline.execute)
        found: dict[bytes, list[tuple[bytes, dict[bytes, bytes]]]] = dict(delivered or ())
        batches = {}
        for partition, info in zip(partitions, infos, strict=True):
            replies = found.get(stream_key(partition).encode(), ())
            entries = [Entry.parse(partition, entry_id, fields) for entry_id, fields in replies]
            batches[partition] = StreamBatch(StreamInfo.parse(info), entries, full=len(entries) == count)
        return batches

    def _read_each(self, partitions: Sequence[int], count: int) -> dict[int, StreamBatch]:
        """Read streams that may be on several servers, which no transaction can."""
        arguments = (self._name, self._consumer, count)
        replies = _existing(
            lambda: self._clients.each(
                partitions, lambda pipeline, partition: pipeline.eval(_READ, 1, stream_key(partition), *arguments)
            )
        )
        batches = {}
        for partition, reply in replies.items():
            info, found = reply
            entries = [
                Entry.parse(partition, entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
                for entry_id, fields in found
            ]
            batches[partition] = StreamBatch(StreamInfo.parse(info), entries, full=len(entries) == count)
        return batches

    def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Acknowledge entries that were processed."""
        ids: dict[int, list[str]] = {}
        for entry in entries:
            ids.setdefault(entry.partition, []).append(str(entry.entry_id))
        remaining = {partition: iter(ids_of_stream) for partition, ids_of_stream in ids.items()}
        while calls := {
            partition: call for partition in remaining if (call := list(islice(remaining[partition], _IDS_PER_CALL)))
        }:
            self._clients.each(
                list(calls),
                lambda pipeline, partition: pipeline.xack(stream_key(partition), self._name, *calls[partition]),
            )

    def _acknowledge_until(self, partition: int, last: EntryId) -> None:
        if last == BEGINNING:
            return
        key = stream_key(partition)
        redis: Any = self._clients.of_partition(partition)
        while pending := redis.xpending_range(key, self._name, "-", str(last), _IDS_PER_CALL):
            redis.xack(key, self._name, *(entry["message_id"] for entry in pending))

    def _find_group(self, reply: Any) -> dict[bytes, Any] | None:
        if isinstance(reply, ResponseError) and "no such key" in str(reply):
            return None
        if isinstance(reply, Exception):
            raise reply
        groups = (pairs(group) for group in reply)
        return next((group for group in groups if group[b"name"] == self._name.encode()), None)


def _existing(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ResponseError as error:
        if any(reason in str(error) for reason in ("no such key", "NOGROUP")):
            raise StreamsGoneError(f"the store: {str(error)[:200]}") from error
        raise
