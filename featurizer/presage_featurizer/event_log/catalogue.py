"""The catalogue's changes in the archive: their files' columns, how far they are archived, and their rows.

The rows come as an Arrow record batch with CATALOGUE_COLUMNS, which this package uses without importing Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from presage_featurizer.errors import CorruptStateError
from presage_featurizer.event_log.archive import Column
from presage_featurizer.event_log.streams import EntryId
from presage_featurizer.ranking.items_counter import CATALOGUE, CatalogueChange, Place

__all__ = [
    "CATALOGUE_COLUMNS",
    "ArchivedChange",
    "decode_changes",
    "read_change_rows",
]

CATALOGUE_COLUMNS = (
    Column("entry_unix_millis", "int64", nullable=False),
    Column("entry_sequence", "int64", nullable=False),
    Column("change", "int32", nullable=False),
    Column("item_id", "string"),
    Column("price_micros", "int64"),
    Column("category", "string"),
    Column("brand", "string"),
    Column("tags", "list<string>"),
    Column("stock", "int64"),
    Column("blocked", "bool"),
    Column("first_seen", "timestamp[us, tz=UTC]"),
    Column("unreadable_changes", "binary"),
)
"""The place of an entry of the catalogue's stream, the number of a change in it, and what that says of an item: null where it says
nothing. Or the place and ``unreadable_changes``, the bytes of an entry that cannot be read or does not fit."""

_PLACE = tuple(column.name for column in CATALOGUE_COLUMNS[:3])
_VALUES = tuple(column.name for column in CATALOGUE_COLUMNS[3:-2])
_MILLI_MICROS = 1_000
_decode = msgspec.msgpack.Decoder(tuple[CatalogueChange, ...]).decode


class ArchivedChange(NamedTuple):
    """One change of the catalogue."""

    entry_id: EntryId
    """The entry's; BEGINNING for what the catalogue said before the archive began."""
    number: int
    """The number of the change in its entry, from 0."""
    change: CatalogueChange

    @property
    def place(self) -> Place:
        """Where it stands among the entries of all streams."""
        return Place(self.entry_id.unix_millis * _MILLI_MICROS, self.entry_id.sequence, CATALOGUE)


def decode_changes(encoded: bytes) -> tuple[CatalogueChange, ...]:
    """Read the changes of one entry, as the stream has them.

    Raises:
        CorruptStateError: The bytes hold something else.
    """
    try:
        return _decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(f"change of the catalogue: {error}") from error


def read_change_rows(rows: Any) -> Iterator[ArchivedChange | CorruptStateError]:
    """Read the rows of an Arrow record batch that has CATALOGUE_COLUMNS, in their order.

    Yields:
        The changes; of an entry that this release cannot read, the error.
    """
    read = [rows[name].to_pylist() for name in (*_PLACE, *_VALUES)]
    first_seen, unreadable = rows["first_seen"].cast("int64").to_pylist(), rows["unreadable_changes"].to_pylist()
    for unix_millis, sequence, number, *values, seen, encoded in zip(*read, first_seen, unreadable, strict=True):
        entry_id = EntryId(unix_millis, sequence)
        if encoded is not None:
            # A release older than the servers may have archived it.
            try:
                for place, change in enumerate(decode_changes(encoded)):
                    yield ArchivedChange(entry_id, place, change)
            except CorruptStateError as error:
                yield error
            continue
        item_id, price_micros, category, brand, tags, stock, blocked = values
        change = CatalogueChange(
            item_id, price_micros, category, brand, None if tags is None else tuple(tags), stock, blocked, seen
        )
        yield ArchivedChange(entry_id, number, change)
