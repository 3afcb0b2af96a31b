"""All event streams of a store, read from remembered positions.

Without a consumer group: reading writes nothing, so any number of processes can read all entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from presage_featurizer.event_log import BEGINNING, PARTITIONS, Entry, EntryId, Position, stream_key
from presage_server.eventlog.positions import Discontinuity, StreamInfo, check_continuity
from presage_server.store.clients import StoreClients

__all__ = ["EventStreams"]

_STREAMS_PER_READ = 128
_ENTRIES_OF_EACH = 8
"""One command returns about a thousand entries at most: the store serves nothing else meanwhile."""

_PARTITION_OF = {stream_key(partition).encode(): partition for partition in range(PARTITIONS)}


class EventStreams:
    """Reads entries and remembers how far.

    Args:
        clients: Of the store.
        counts_entries: Whether the store counts the entries that a stream ever had.
    """

    def __init__(self, clients: StoreClients, *, counts_entries: bool) -> None:
        self._clients = clients
        self._counts_entries = counts_entries
        self.positions: dict[int, Position] = {}
        """How far each stream was read, by partition; a stream that is not among them was not read."""
        self._beginning = Position()

    def resume(self, positions: Mapping[int, Position]) -> None:
        """Continue after these positions."""
        self.positions = {partition: position for partition, position in positions.items() if partition >= 0}

    def oldest_unread(self) -> int | None:
        """Return the time of the oldest entry that was not read, in milliseconds; None if there is none."""
        found = [
            EntryId.parse(entries[0][0]).unix_millis
            for some in _groups(range(PARTITIONS))
            for _, entries in self._xread(some, count=1)
        ]
        return min(found, default=None)

    def read(self, partitions: Sequence[int], until_millis: int) -> tuple[dict[int, list[Entry]], list[int]]:
        """Read once from some streams.

        Args:
            partitions: The streams.
            until_millis: Entries of this moment and later stay unread.

        Returns:
            A few entries of each stream that has any, and the partitions whose streams may have more.
        """
        found: dict[int, list[Entry]] = {}
        more = []
        for some in _groups(partitions):
            for key, entries in self._xread(some, count=_ENTRIES_OF_EACH):
                partition = _PARTITION_OF[key]
                read = [Entry.parse(partition, entry_id, fields) for entry_id, fields in entries]
                kept = [entry for entry in read if entry.entry_id.unix_millis < until_millis]
                if len(kept) == _ENTRIES_OF_EACH:
                    more.append(partition)
                if not kept:
                    continue
                found[partition] = kept
                before = self.positions.get(partition, self._beginning)
                counted = None if before.counted is None else before.counted + len(kept)
                self.positions[partition] = Position(last=kept[-1].entry_id, counted=counted, lost=before.lost)
        return found, more

    def check(self) -> list[tuple[int, Discontinuity]]:
        """Return what happened to streams since the last check, such as entries that left one unread."""
        found = []
        for partition, info in self._infos(range(PARTITIONS)):
            position = self.positions.get(partition)
            if position is None:
                # Never read: entries that left it before now are not missed.
                if self._counts_entries and info.added is not None:
                    self.positions[partition] = Position(counted=info.added - info.length)
                continue
            self.positions[partition], discontinuity = check_continuity(position, info)
            if discontinuity is not None:
                found.append((partition, discontinuity))
        # A stream that was not there yet has had no entries.
        self._beginning = Position(counted=0 if self._counts_entries else None)
        return found

    def _xread(self, partitions: Sequence[int], *, count: int) -> Sequence[tuple[bytes, list[Any]]]:
        if self._clients.is_cluster:
            replies = self._clients.each(
                partitions, lambda pipeline, partition: pipeline.xread(self._after([partition]), count=count)
            )
            return [stream for partition in partitions for stream in replies[partition] or ()]
        redis: Any = self._clients.of_partition(partitions[0])
        return redis.xread(self._after(partitions), count=count) or ()

    def _after(self, partitions: Sequence[int]) -> dict[Any, Any]:
        streams = {}
        for partition in partitions:
            position = self.positions.get(partition)
            streams[stream_key(partition)] = str(BEGINNING if position is None else position.last)
        return streams

    def _infos(self, partitions: Iterable[int]) -> list[tuple[int, StreamInfo]]:
        replies = self._clients.each(
            list(partitions),
            lambda pipeline, partition: pipeline.execute_command("XINFO", "STREAM", stream_key(partition)),
            keep_errors=True,
        )
        infos = []
        for partition, reply in sorted(replies.items()):
            if isinstance(reply, ResponseError) and "no such key" in str(reply):
                continue
            if isinstance(reply, Exception):
                raise reply
            infos.append((partition, StreamInfo.parse(reply)))
        return infos


def _groups(partitions: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(partitions), _STREAMS_PER_READ):
        yield partitions[start : start + _STREAMS_PER_READ]
