"""Reads all event streams in order, and keeps the position in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from presage_featurizer.event_log import Entry, Position
from presage_server.eventlog.consumer_group import ConsumerGroup, StreamBatch
from presage_server.eventlog.positions import Discontinuity, check_continuity

__all__ = ["ReadResult", "StreamReader"]


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What one read of several streams returned."""

    entries: list[Entry] = field(default_factory=list)
    more: list[int] = field(default_factory=list)
    """The partitions whose streams may have more."""
    discontinuities: list[tuple[int, Discontinuity]] = field(default_factory=list)
    """What happened to streams, by partition; each is reported once."""


class StreamReader:
    """The position of a consumer group in every stream, how far it lags behind, and what it has missed.

    Methods raise redis-py's errors; call ``resume`` first, and again after each of them.
    """

    def __init__(self, group: ConsumerGroup) -> None:
        self.group = group
        self._positions: dict[int, Position] = {}
        self._lags: dict[int, int] = {}
        self._reported: dict[int, Discontinuity] = {}

    @property
    def positions(self) -> Mapping[int, Position]:
        """How far each stream was read, by partition; empty before ``resume``."""
        return self._positions

    @property
    def lag(self) -> int | None:
        """How many entries were not read yet; None if the store does not count them (Redis 6.2)."""
        return sum(self._lags.values()) if self._lags else None

    @property
    def worst_lag(self) -> int | None:
        """The lag of the stream with the largest; None as for ``lag``."""
        return max(self._lags.values()) if self._lags else None

    @property
    def lost(self) -> int:
        """How many entries are known to have left the streams unread since the group was created."""
        return sum(position.lost for position in self._positions.values())

    def resume(self, committed: Mapping[int, Position]) -> None:
        """Continue after the last entry that was read; the first time, after the committed positions."""
        if not self._positions:
            self._positions = dict(committed)
        self.group.seek(self._positions, committed=committed)

    def read(self, partitions: Sequence[int]) -> ReadResult:
        """Read once from some streams, at most STREAMS_PER_READ."""
        result = ReadResult()
        for partition, batch in self.group.read(partitions).items():
            discontinuity = self._advance(partition, batch)
            if discontinuity is not None:
                result.discontinuities.append((partition, discontinuity))
            if batch.full:
                result.more.append(partition)
            result.entries.extend(batch.entries)
        return result

    def _advance(self, partition: int, batch: StreamBatch) -> Discontinuity | None:
        position, discontinuity = check_continuity(self._positions[partition], batch.info)
        if batch.entries:
            counted = None if position.counted is None else position.counted + len(batch.entries)
            position = Position(last=batch.entries[-1].entry_id, counted=counted, lost=position.lost)
        self._positions[partition] = position
        if batch.info.added is not None and position.counted is not None:
            self._lags[partition] = max(batch.info.added - position.counted, 0)
        if discontinuity is None or discontinuity == self._reported.get(partition):
            return None
        self._reported[partition] = discontinuity
        return discontinuity
