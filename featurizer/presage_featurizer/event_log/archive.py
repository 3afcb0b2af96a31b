"""The archive of the event log: a folder with a checkpoint, and Parquet files by kind and day.

archive.json                             the checkpoint
events/day=2026-01-31/part-0000000042.parquet
vectors/day=2026-01-31/part-0000000042.parquet
exposures/day=2026-01-31/part-0000000042.parquet
catalogue/day=2026-01-31/part-0000000042.parquet
staging/                                 files that are not committed yet
lock                                     held by the process that writes
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from presage_featurizer.errors import CorruptStateError, NewerStateError
from presage_featurizer.event_log.streams import BEGINNING, EntryId

__all__ = [
    "ARCHIVE_VERSION",
    "CATALOGUE_CHANGES",
    "CHECKPOINT_FILE",
    "EVENTS",
    "EVENT_COLUMNS",
    "EXPOSURES",
    "EXPOSURE_COLUMNS",
    "ITEM_COLUMNS",
    "NEWER_EXPOSURE_COLUMNS",
    "NEWER_VECTOR_COLUMNS",
    "PARTS_GLOB",
    "PLACE_COLUMNS",
    "STAGING_FOLDER",
    "VECTORS",
    "VECTOR_COLUMNS",
    "CatalogueCheckpoint",
    "Checkpoint",
    "Column",
    "Position",
    "batch_of",
    "day_folder",
    "decode_checkpoint",
    "encode_checkpoint",
    "part_file",
    "staged_file",
]

ARCHIVE_VERSION = 1
"""Of the folder's layout and the files' columns."""
CHECKPOINT_FILE = "archive.json"
STAGING_FOLDER = "staging"
"""Holds the files of a batch until it is committed."""
EVENTS = "events"
"""The kind of files that hold events."""
VECTORS = "vectors"
"""The kind of files that hold served vectors."""
EXPOSURES = "exposures"
"""The kind of files that hold exposures."""
CATALOGUE_CHANGES = "catalogue"
"""The kind of files that hold changes of the catalogue."""
PARTS_GLOB = "day=*/part-*.parquet"
"""The files of one kind, below its folder."""

_PART = re.compile(rf"(?:{EVENTS}|{VECTORS}|{EXPOSURES}|{CATALOGUE_CHANGES})/day=[^/]+/part-(\d+)\.parquet")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_folder(kind: str, unix_micros: int) -> str:
    """Return the folder of a moment's day in UTC, such as ``events/day=2026-01-31``; raises OverflowError after year 9999."""
    return f"{kind}/day={(_EPOCH + timedelta(microseconds=unix_micros)).date().isoformat()}"


def part_file(folder: str, batch: int) -> str:
    """Return the file that a batch adds to a day's folder, below the archive's folder."""
    return f"{folder}/part-{batch:010d}.parquet"


def staged_file(file: str) -> str:
    """Return where a part is written first. The name has the batch's number, so that two batches never share a file."""
    return f"{STAGING_FOLDER}/{file.removeprefix(f'{EVENTS}/').replace('/', '_')}"


def batch_of(file: str) -> int | None:
    """Return the number of the batch that wrote a part; None if this is not the name of a part."""
    match = _PART.fullmatch(file)
    return int(match[1]) if match else None


class Position(msgspec.Struct, frozen=True):
    """How far one stream has been read."""

    last: EntryId = BEGINNING
    """The last entry that was read."""
    counted: int | None = None
    """How many entries the stream ever had, up to ``last``; None if unknown."""
    lost: int = 0
    """How many of them are known to have left the stream unread."""


class CatalogueCheckpoint(msgspec.Struct, frozen=True):
    """How far the catalogue's changes are archived."""

    position: Position = Position()
    """How far their stream is archived."""
    archived: int = 0
    """Changes in all batches."""
    missed: int | None = 0
    """How many entries had left the stream when the archive began with it; None if the store keeps no count."""
    bucket_micros: int = 0
    """The width of the buckets of time that items are counted in; 0 if nothing was counted yet."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What is committed to an archive: the content of CHECKPOINT_FILE."""

    archive_id: str
    """Unique among the archives of a store; part of the consumer group's name."""
    version: int = ARCHIVE_VERSION
    batch: int = 0
    """The number of the last batch; the first one's is 1."""
    files: tuple[str, ...] = ()
    """The last batch's files, below the folder."""
    archived: int = 0
    """Entries in all batches."""
    positions: dict[int, Position] = {}
    """How far each stream is archived, by partition; empty until the consumer group exists."""
    catalogue: CatalogueCheckpoint | msgspec.UnsetType = msgspec.UNSET
    """How far the catalogue is archived; unset in an archive of a release that did not archive it."""


class _Version(msgspec.Struct):
    version: int


encode_checkpoint: Callable[[Checkpoint], bytes] = msgspec.json.Encoder().encode
"""Write a checkpoint as it is stored."""


def decode_checkpoint(encoded: bytes) -> Checkpoint:
    """Read a stored checkpoint.

    Raises:
        CorruptStateError: The bytes are not a checkpoint.
        NewerStateError: It is of a version that this release does not know.
    """
    try:
        version = msgspec.json.decode(encoded, type=_Version).version
        if version != ARCHIVE_VERSION:
            raise NewerStateError(f"expected version {ARCHIVE_VERSION}, got {version}")
        return msgspec.json.decode(encoded, type=Checkpoint)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(str(error)) from error


class Column(NamedTuple):
    """A column of the archive's Parquet files."""

    name: str
    type: str
    """As Arrow writes it; ``list<item>`` is a list of structs with ITEM_COLUMNS. Elements and values are never null."""
    nullable: bool = True


PLACE_COLUMNS = (
    Column("partition", "int16", nullable=False),
    Column("entry_unix_millis", "int64", nullable=False),
    Column("entry_sequence", "int64", nullable=False),
)
"""An entry's place. Sorted by it, a visitor's events are in the order in which they were applied."""

ITEM_COLUMNS = (
    Column("item_id", "string", nullable=False),
    Column("category", "string", nullable=False),
    Column("brand", "string", nullable=False),
    Column("price_micros", "int64", nullable=False),
    Column("quantity", "int64", nullable=False),
    Column("position", "int64"),
    Column("rank_id", "string"),
    Column("propensity", "double"),
)
"""The fields of an ``Item``, in its order, then those of its ``Shown``, null where it has none."""

EVENT_COLUMNS = (
    *PLACE_COLUMNS,
    Column("fresh", "bool", nullable=False),
    Column("event_id", "string"),
    Column("type", "string"),
    Column("user_id", "string"),
    Column("event_time", "timestamp[us, tz=UTC]"),
    Column("session_id", "string"),
    Column("items", "list<item>"),
    Column("country", "string"),
    Column("device", "string"),
    Column("order_id", "string"),
    Column("value_micros", "int64"),
    Column("currency", "string"),
    Column("server_clock_unix_micros", "int64"),
    Column("numbers", "map<string, double>"),
    Column("labels", "map<string, string>"),
    Column("unreadable_event", "binary"),
)
"""An event's place and its fields; or its place and ``unreadable_event``, the bytes of one that cannot be read or does not fit."""

VECTOR_COLUMNS = (
    *PLACE_COLUMNS,
    Column("user_id", "string", nullable=False),
    Column("session_id", "string", nullable=False),
    Column("as_of", "timestamp[us, tz=UTC]", nullable=False),
    Column("last_event", "binary", nullable=False),
    Column("model", "string", nullable=False),
    Column("model_version", "string", nullable=False),
    Column("fingerprint", "string", nullable=False),
    Column("values", "list<float>", nullable=False),
    Column("score", "double", nullable=False),
    Column("arm", "int16"),
    Column("propensity", "double"),
    Column("prior", "bool"),
    Column("other_versions", "list<string>"),
    Column("other_scores", "list<double>"),
)
"""A served vector's place and its fields; ``others`` is the last two columns, of the same length."""
NEWER_VECTOR_COLUMNS = frozenset({"arm", "propensity", "prior", "other_versions", "other_scores"})
"""Columns that files of an older release lack, as if every value were null: the arm NONE of all visitors, and no other version."""

EXPOSURE_COLUMNS = (
    *PLACE_COLUMNS,
    Column("rank_id", "string", nullable=False),
    Column("user_id", "string", nullable=False),
    Column("session_id", "string", nullable=False),
    Column("as_of", "timestamp[us, tz=UTC]", nullable=False),
    Column("last_event", "binary", nullable=False),
    Column("model", "string", nullable=False),
    Column("model_version", "string", nullable=False),
    Column("fingerprint", "string", nullable=False),
    Column("epoch", "int64", nullable=False),
    Column("placement", "string", nullable=False),
    Column("next_items", "bool", nullable=False),
    Column("degraded", "bool", nullable=False),
    Column("k", "int64", nullable=False),
    Column("budget_micros", "int64"),
    Column("cart_micros", "int64", nullable=False),
    Column("anchor", "uint64"),
    Column("candidates", "list<uint64>", nullable=False),
    Column("sources", "list<uint8>", nullable=False),
    Column("given", "list<uint16>", nullable=False),
    Column("scores", "list<double>", nullable=False),
    Column("prices", "list<double>", nullable=False),
    Column("stocks", "list<int64>", nullable=False),
    Column("blocked", "list<uint8>", nullable=False),
    Column("shown", "list<uint16>", nullable=False),
    Column("propensities", "list<double>", nullable=False),
    Column("rules", "list<list<string>>", nullable=False),
    Column("features", "list<float>", nullable=False),
    Column("arm", "int16"),
    Column("arm_propensity", "double"),
    Column("other_versions", "list<string>"),
    Column("other_scores", "list<double>"),
)
"""An exposure's place and its fields; ``others`` is the last two columns: a score for each version and candidate, version by
version."""
NEWER_EXPOSURE_COLUMNS = frozenset({"arm", "arm_propensity", "other_versions", "other_scores"})
"""Columns that files of an older release lack, as for vectors."""
