"""The catalogue's stream, read for the archive.

Reading it writes nothing to the store: how far it was read is in the archive's checkpoint alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from presage_featurizer import CorruptStateError
from presage_featurizer.event_log import BEGINNING, CatalogueCheckpoint, EntryId, Position
from presage_featurizer.event_log.catalogue import decode_changes
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.eventlog.positions import Discontinuity, StreamInfo, check_continuity
from presage_server.items.item_store import ChainBrokenError, ItemStore
from presage_server.items.keys import CATALOGUE_STREAM, CHANGES_FIELD, PUBLISHED

__all__ = ["CatalogueEntry", "CatalogueReader"]

_ENTRIES_PER_READ = 16
"""Each has up to 100 changes: the store serves nothing else meanwhile."""
_TRIES = 5
_MAX_INT64 = 2**63 - 1
_FIELD = CHANGES_FIELD.encode()


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One entry of the catalogue's stream."""

    entry_id: EntryId
    encoded: bytes
    """Its changes as the stream has them."""
    changes: tuple[CatalogueChange, ...] | None
    """Its changes; None if they cannot be read or do not fit the archive's columns: that must not block those that follow."""
    first: int = 0
    """The number of its first change."""

    @classmethod
    def parse(cls, entry_id: bytes, fields: Mapping[bytes, bytes]) -> CatalogueEntry:
        """Read an entry as the store returns it."""
        encoded = fields.get(_FIELD, b"")
        try:
            changes = decode_changes(encoded)
        except CorruptStateError:
            return cls(EntryId.parse(entry_id), encoded, None)
        fits = all(
            abs(number or 0) <= _MAX_INT64
            for change in changes
            for number in (change.price_micros, change.stock, change.first_seen_unix_micros)
        )
        return cls(EntryId.parse(entry_id), encoded, changes if fits else None)


class CatalogueReader:
    """Reads the entries of the catalogue's stream in order. Methods raise redis-py's errors; after one, any can be called again.

    Args:
        redis: A client that sends nothing twice; its replies are bytes.
        counts_entries: Whether the store counts the entries that a stream ever had.
    """

    def __init__(self, redis: Redis, *, counts_entries: bool) -> None:
        self._redis: Any = redis
        self._counts_entries = counts_entries
        self._reported: Discontinuity | None = None
        self.position = Position()
        """How far it was read."""

    def begin(self) -> CatalogueCheckpoint:
        """Begin with the oldest entry of the stream; return the checkpoint of an archive that has nothing of it yet."""
        info = self._info(self._redis.execute_command, "XINFO", "STREAM", CATALOGUE_STREAM)
        missed = None if info.added is None else info.added - info.length
        self.position = Position(counted=missed)
        return CatalogueCheckpoint(position=self.position, missed=missed)

    def bucket_micros(self) -> int:
        """Return the width of the buckets of time that items are counted in; 0 if nothing was counted yet."""
        return int(self._redis.hget(PUBLISHED, "width") or 0)

    def items(self) -> ItemColumns | None:
        """Return the items as of the store's newest checkpoint of them; None if there is none that can be read."""
        for _ in range(_TRIES):
            try:
                found = ItemStore(self._redis).restore()
            except ChainBrokenError:
                continue  # it was replaced while it was read
            return None if found is None else found.columns
        return None

    def read(self) -> tuple[Sequence[CatalogueEntry], Discontinuity | None]:
        """Read some of the entries that follow; return them, and what happened to the stream if that is new."""
        # One transaction, so that nothing leaves the stream between XINFO and the read.
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("XINFO", "STREAM", CATALOGUE_STREAM)
        pipeline.xrange(CATALOGUE_STREAM, f"({self.position.last}", "+", count=_ENTRIES_PER_READ)
        reply, found = pipeline.execute(raise_on_error=False)
        if isinstance(found, Exception):
            raise found
        self.position, discontinuity = check_continuity(self.position, self._info(_replied, reply))
        entries = [CatalogueEntry.parse(entry_id, fields) for entry_id, fields in found]
        if entries:
            before = self.position
            counted = None if before.counted is None else before.counted + len(entries)
            self.position = Position(last=entries[-1].entry_id, counted=counted, lost=before.lost)
        if discontinuity == self._reported:
            return entries, None
        self._reported = discontinuity
        return entries, discontinuity

    def _info(self, ask: Any, *arguments: Any) -> StreamInfo:
        try:
            return StreamInfo.parse(ask(*arguments))
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return StreamInfo(0, None, None, BEGINNING, 0 if self._counts_entries else None)


def _replied(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply
