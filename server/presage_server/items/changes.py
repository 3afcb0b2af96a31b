"""The catalogue's changes as bytes, as entries of their stream hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from redis import Redis

from presage_featurizer import CorruptStateError
from presage_featurizer.event_log import BEGINNING, EntryId
from presage_featurizer.event_log.catalogue import decode_changes
from presage_featurizer.ranking.items_counter import CATALOGUE, CatalogueChange, Place
from presage_server.items.keys import CATALOGUE_STREAM, CHANGES_FIELD

__all__ = ["CHANGES_PER_ENTRY", "ChangesEntry", "ChangesReader", "encode_changes"]

CHANGES_PER_ENTRY = 100
"""Items that one entry changes at most: a server applies an entry at once."""

_ENTRIES_PER_READ = 64
_FIELD = CHANGES_FIELD.encode()
_MILLI_MICROS = 1_000
_encoder = msgspec.msgpack.Encoder()


class ChangesEntry(NamedTuple):
    """One entry of the stream of changes."""

    entry_id: EntryId
    changes: tuple[CatalogueChange, ...]

    @classmethod
    def parse(cls, entry_id: bytes, fields: Mapping[bytes, bytes]) -> ChangesEntry:
        """Read an entry as the store returns it.

        Raises:
            CorruptStateError: It holds something else.
        """
        try:
            return cls(EntryId.parse(entry_id), decode_changes(fields[_FIELD]))
        except KeyError as error:
            raise CorruptStateError(f"change of the catalogue: {error}") from error

    @property
    def place(self) -> Place:
        """Where it stands among the entries of all streams."""
        return Place(self.entry_id.unix_millis * _MILLI_MICROS, self.entry_id.sequence, CATALOGUE)


class ChangesReader:
    """Reads the stream of changes in order.

    Args:
        redis: A client; its replies are bytes.
        after: The last entry that is not read.
    """

    def __init__(self, redis: Redis, after: EntryId = BEGINNING) -> None:
        self._redis: Any = redis
        self.last = after
        """The last entry that was read."""
        self.unreadable = 0
        """Entries that this release cannot read."""

    def read(self, until_millis: int) -> list[ChangesEntry]:
        """Read some entries of before a moment; none if all have been read."""
        while True:
            found = self._redis.xrange(CATALOGUE_STREAM, f"({self.last}", f"({until_millis}-0", count=_ENTRIES_PER_READ)
            entries = [entry for entry_id, fields in found if (entry := self.take(entry_id, fields)) is not None]
            if entries or not found:
                return entries

    def take(self, entry_id: bytes, fields: Mapping[bytes, bytes]) -> ChangesEntry | None:
        """Take an entry that was read in another way; None if this release cannot read it."""
        self.last = EntryId.parse(entry_id)
        try:
            return ChangesEntry.parse(entry_id, fields)
        except CorruptStateError:
            self.unreadable += 1
            return None


def encode_changes(changes: Sequence[CatalogueChange]) -> Iterator[bytes]:
    """Write changes as the values of entries' fields, in order."""
    for start in range(0, len(changes), CHANGES_PER_ENTRY):
        yield _encoder.encode(changes[start : start + CHANGES_PER_ENTRY])
