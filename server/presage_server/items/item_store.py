"""What the store holds of items: closed buckets, checkpoints, changes of the catalogue. Calls block and raise redis-py's errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec
from redis import Redis

from presage_featurizer import CorruptStateError
from presage_featurizer.event_log import BEGINNING, EntryId, Position
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import ItemBucket, decode_bucket, encode_bucket
from presage_featurizer.ranking.items_checkpoint import checkpoint_chunks, restore_checkpoint
from presage_server.items.keys import BUCKETS, CATALOGUE_STREAM, CHECKPOINT, PUBLISHED, chunk_key

__all__ = ["MAX_SEQUENCE", "BucketPart", "ChainBrokenError", "ItemStore", "LoadedItems", "Published", "join_parts"]

ITEMS_PER_PART = 5_000
"""Items of a bucket in one entry at most: the store serves nothing else meanwhile."""

_PARTS_PER_READ = 16
MAX_SEQUENCE = 2**64 - 1
_TRIES = 5
_UNFINISHED_SECONDS = 3_600
_PUBLISH = files("presage_server.items").joinpath("publish.lua").read_text()
_Row = tuple[int, int, int, int | None, int]
"""A position: partition, both halves of the last entry's id, entries counted, entries lost."""
_decode_rows = msgspec.msgpack.Decoder(list[_Row]).decode


class ChainBrokenError(Exception):
    """Expected: buckets between two that were read have left the store; the reader has to load its columns again."""


class _Pointer(msgspec.Struct):
    name: str
    chunks: int
    changes: str
    """The last change of the catalogue that its live values know."""


class LoadedItems(NamedTuple):
    """Columns as they were loaded."""

    columns: ItemColumns
    changes: EntryId
    """The last change of the catalogue that their live values know."""


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of items."""

    last: str = ""
    """The id of the last entry of a bucket; empty if there is none. The bucket may be incomplete."""
    epoch: int = -1
    """The newest complete bucket."""
    width_micros: int = 0
    """The width of a bucket; 0 if none was published."""
    positions: Mapping[int, Position] = field(default_factory=dict)
    """How far each stream was read when the epoch was closed, by partition."""

    @property
    def newest(self) -> int:
        """The newest bucket of which anything is stored; -1 if there is none."""
        return int(self.last.partition("-")[0]) if self.last else -1


class BucketPart(NamedTuple):
    """One entry of the stream of buckets."""

    entry_id: str
    bucket: ItemBucket
    after: int
    """The epoch before this bucket."""
    parts: int
    """How many entries the bucket has."""
    width_micros: int

    @property
    def place(self) -> int:
        """Which of the parts it is, from 0."""
        return int(self.entry_id.partition("-")[2])

    @classmethod
    def parse(cls, entry_id: bytes, fields: Mapping[bytes, bytes]) -> BucketPart:
        """Read an entry; raises as ``decode_bucket``."""
        try:
            numbers = (int(fields[name]) for name in (b"after", b"parts", b"width"))
            return cls(entry_id.decode(), decode_bucket(fields[b"bucket"]), *numbers)
        except (KeyError, ValueError) as error:
            raise CorruptStateError(f"items' bucket {entry_id!r}: {error}") from error


class ItemStore:
    """Reads and writes items.

    Args:
        redis: A client that sends nothing twice; its replies are bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis

    def published(self) -> Published:
        """Return what is published."""
        fields = self._redis.hgetall(PUBLISHED)
        if not fields:
            return Published()
        return Published(
            fields[b"last"].decode(),
            int(fields.get(b"epoch", b"-1")),
            int(fields[b"width"]),
            _decode_positions(fields[b"positions"]) if b"positions" in fields else {},
        )

    def publish(
        self, bucket: ItemBucket, published: Published, positions: Mapping[int, Position], width_micros: int
    ) -> Published | None:
        """Append a closed bucket and the positions that it was made from.

        Args:
            bucket: The next one. Parts of it that were appended before are skipped.
            published: What is published, as the caller knows it.
            positions: How far each stream was read up to the bucket's end.
            width_micros: The width of a bucket.

        Returns:
            What is published then; None if somebody else has published a bucket in the meantime.
        """
        parts = list(bucket.parts(ITEMS_PER_PART))
        done = int(published.last.partition("-")[2]) + 1 if published.newest == bucket.number else 0
        last = published.last
        for part_number, part in enumerate(parts):
            if part_number < done:
                continue
            entry_id = f"{bucket.number}-{part_number}"
            final = part_number == len(parts) - 1
            reply = self._redis.eval(
                _PUBLISH,
                2,
                BUCKETS,
                PUBLISHED,
                last,
                entry_id,
                encode_bucket(part),
                published.epoch,
                len(parts),
                width_micros,
                int(final),
                bucket.number,
                _encode_positions(positions) if final else b"",
            )
            if reply is not None:
                return None
            last = entry_id
        return Published(last, bucket.number, width_micros, positions)

    def bucket_parts(self, after: str) -> list[BucketPart]:
        """Read the entries of buckets that follow one, not too many at once."""
        found = self._redis.xrange(BUCKETS, f"({after}" if after else "-", "+", count=_PARTS_PER_READ)
        return [BucketPart.parse(entry_id, fields) for entry_id, fields in found]

    def load(self, width_micros: int) -> LoadedItems:
        """Load the columns of the newest epoch.

        Args:
            width_micros: The width of a bucket, if none was published.

        Raises:
            ChainBrokenError: Buckets are missing, however often it is tried.
        """
        for tries in range(_TRIES):
            try:
                loaded = self.restore()
                if loaded is None:
                    loaded = LoadedItems(ItemColumns(self.published().width_micros or width_micros), BEGINNING)
                self._catch_up(loaded.columns)
            except ChainBrokenError:
                if tries == _TRIES - 1:
                    raise
            else:
                return loaded
        raise AssertionError

    def save(self, loaded: LoadedItems, *, token: str, keep_from_millis: int) -> int:
        """Write a checkpoint, then drop the one before it, and what it makes needless in the streams.

        Args:
            loaded: What to save.
            token: Makes the checkpoint's name unique.
            keep_from_millis: Entries of the streams from this moment on are kept in any case.

        Returns:
            How many bytes it has.
        """
        before, columns = self._pointer(), loaded.columns
        name, chunks, size = f"{columns.epoch}-{token}", 0, 0
        for chunk in checkpoint_chunks(columns):
            # Those of a checkpoint that is never finished go by themselves.
            self._redis.set(chunk_key(name, chunks), chunk, ex=_UNFINISHED_SECONDS)
            chunks += 1
            size += len(chunk)
        width_millis = columns.bucket_micros // 1_000
        keep_from_millis = min(keep_from_millis, (columns.epoch + 1) * width_millis)
        pipeline = self._redis.pipeline(transaction=True)
        for number in range(chunks):
            pipeline.persist(chunk_key(name, number))
        pipeline.set(CHECKPOINT, msgspec.json.encode(_Pointer(name, chunks, str(loaded.changes))))
        pipeline.xtrim(BUCKETS, minid=f"{keep_from_millis // width_millis}-0", approximate=False)
        pipeline.xtrim(CATALOGUE_STREAM, minid=f"{keep_from_millis}-0", approximate=False)
        pipeline.execute()
        if before is not None and before.name != name:
            for number in range(before.chunks):
                self._redis.unlink(chunk_key(before.name, number))
        return size

    def _catch_up(self, columns: ItemColumns) -> None:
        collected: list[BucketPart] = []
        last = f"{columns.epoch}-{MAX_SEQUENCE}" if columns.epoch >= 0 else ""
        while found := self.bucket_parts(last):
            last = found[-1].entry_id
            for part in found:
                bucket = join_parts(collected, part, columns.epoch)
                if bucket is not None:
                    columns.apply(*bucket)

    def restore(self) -> LoadedItems | None:
        """Load the newest checkpoint alone; None if there is none; raises ChainBrokenError if it is replaced meanwhile."""
        pointer = self._pointer()
        if pointer is None:
            return None
        return LoadedItems(restore_checkpoint(self._chunks(pointer)), EntryId.parse(pointer.changes.encode()))

    def _chunks(self, pointer: _Pointer) -> Iterator[bytes]:
        for number in range(pointer.chunks):
            chunk = self._redis.get(chunk_key(pointer.name, number))
            if chunk is None:
                raise ChainBrokenError(f"checkpoint {pointer.name} was replaced while it was read")
            yield chunk

    def _pointer(self) -> _Pointer | None:
        encoded = self._redis.get(CHECKPOINT)
        return None if encoded is None else msgspec.json.decode(encoded, type=_Pointer)


def _encode_positions(positions: Mapping[int, Position]) -> bytes:
    rows = [(partition, *found.last, found.counted, found.lost) for partition, found in sorted(positions.items())]
    return msgspec.msgpack.encode(rows)


def _decode_positions(encoded: bytes) -> dict[int, Position]:
    return {
        partition: Position(last=EntryId(unix_millis, sequence), counted=counted, lost=lost)
        for partition, unix_millis, sequence, counted, lost in _decode_rows(encoded)
    }


def join_parts(collected: list[BucketPart], part: BucketPart, epoch: int) -> list[ItemBucket] | None:
    """Add a part to those that were read before; return all parts of the bucket when it is complete.

    Raises:
        ChainBrokenError: A part or a bucket before it is missing.
    """
    if part.after != epoch or part.place != len(collected):
        raise ChainBrokenError(f"expected part {len(collected)} of the bucket after {epoch}, got {part.entry_id}")
    collected.append(part)
    if len(collected) < part.parts:
        return None
    bucket = [each.bucket for each in collected]
    collected.clear()
    return bucket
