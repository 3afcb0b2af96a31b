"""One closed bucket of time: how often each item was counted in it, and what was said of the items."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.errors import CorruptStateError, NewerStateError
from presage_featurizer.events import EventType
from presage_featurizer.ranking.bucket_countries import (
    COUNTRY_TYPES,
    CountryCounts,
    EncodedCountry,
    countries_of_piece,
    decode_countries,
    encode_countries,
    join_countries,
)

__all__ = ["COUNTED_TYPES", "ItemBucket", "Said", "Texts", "decode_bucket", "encode_bucket", "frame", "read_frame"]

COUNTED_TYPES = (
    EventType.VIEW_ITEM,
    EventType.ADD_TO_CART,
    EventType.PURCHASE,
    EventType.VIEW_ITEM_LIST,
    EventType.SELECT_ITEM,
)
"""The event types that are counted of each item, in the order of the columns."""

BUCKET_VERSION = 2
"""1 has no countries."""
_HEADER = struct.Struct(">IB")
_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


_Texts = tuple[tuple[str, ...], bytes]


class _Encoded(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    number: int
    ids: tuple[str, ...]
    digests: bytes
    counts: bytes
    first_unix_micros: bytes
    price_micros: bytes
    categories: _Texts
    brands: _Texts
    said: bytes
    countries: list[EncodedCountry] = []


_decode_fields = msgspec.msgpack.Decoder(_Encoded).decode
assert COUNTED_TYPES[: len(COUNTRY_TYPES)] == COUNTRY_TYPES, "the first columns"


class Said:
    """Bits that name what the catalogue said of an item."""

    PRICE = 1
    CATEGORY = 2
    BRAND = 4
    FIRST_SEEN = 8


@dataclass(frozen=True, slots=True)
class Texts:
    """A text for each item, each distinct one stored once."""

    names: tuple[str, ...]
    """The distinct texts, the empty one first."""
    codes: NDArray[np.uint32]
    """The place of each item's text among them; 0 if nothing was said."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """Code texts in the order in which they first occur."""
        places = {"": 0}
        codes = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.uint32, len(texts))
        return cls(tuple(places), codes)

    def among(self, codes: dict[str, int]) -> NDArray[np.int64]:
        """Return the code of each item's text in another coding, which is extended by what it lacks."""
        known = [codes.setdefault(name, len(codes)) for name in self.names]
        return np.array(known, np.int64)[self.codes]


@dataclass(frozen=True, slots=True, eq=False)
class ItemBucket:
    """What happened to items in one bucket of time. Equal contents have equal bytes, however they were gathered."""

    number: int
    """The bucket: time divided by its width."""
    ids: tuple[str, ...]
    """The shop's ids of the items that events or the catalogue named."""
    digests: NDArray[np.uint64]
    """The numbers of their digests, ascending."""
    counts: NDArray[np.uint32]
    """Shape (items, COUNTED_TYPES): their events."""
    first_unix_micros: NDArray[np.int64]
    """When each was first named in the bucket; or since when the catalogue says that it has been there."""
    price_micros: NDArray[np.int64]
    """The newest price; 0 if none was given."""
    categories: Texts
    """The newest categories."""
    brands: Texts
    """The newest brands."""
    said: NDArray[np.uint8]
    """Which of these come from the catalogue: bits of ``Said``. There 0 and the empty text mean "not known any more"."""
    countries: Mapping[str, CountryCounts] = field(default_factory=dict)
    """By country, in the order of their names: the part of the counts that events of a known country have."""

    def __len__(self) -> int:
        return len(self.ids)

    def parts(self, most: int) -> Iterator[ItemBucket]:
        """Cut the bucket into pieces of at most this many items; at least one, in order."""
        for start in range(0, max(1, len(self)), most):
            piece = slice(start, start + most)
            yield ItemBucket(
                self.number,
                self.ids[piece],
                self.digests[piece],
                self.counts[piece],
                self.first_unix_micros[piece],
                self.price_micros[piece],
                _piece(self.categories, piece),
                _piece(self.brands, piece),
                self.said[piece],
                countries_of_piece(self.countries, start, start + most),
            )

    @classmethod
    def joined(cls, parts: Sequence[ItemBucket]) -> ItemBucket:
        """Undo ``parts``."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            parts[0].number,
            tuple(item_id for part in parts for item_id in part.ids),
            np.concatenate([part.digests for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.first_unix_micros for part in parts]),
            np.concatenate([part.price_micros for part in parts]),
            _join([part.categories for part in parts]),
            _join([part.brands for part in parts]),
            np.concatenate([part.said for part in parts]),
            join_countries((len(part), part.countries) for part in parts),
        )


def encode_bucket(bucket: ItemBucket) -> bytes:
    """Write a bucket: a CRC-32 of the rest, a version byte, then msgpack."""
    return frame(
        BUCKET_VERSION,
        _Encoded(
            number=bucket.number,
            ids=bucket.ids,
            digests=bucket.digests.astype("<u8").tobytes(),
            counts=bucket.counts.astype("<u4").tobytes(),
            first_unix_micros=bucket.first_unix_micros.astype("<i8").tobytes(),
            price_micros=bucket.price_micros.astype("<i8").tobytes(),
            categories=(bucket.categories.names, bucket.categories.codes.astype("<u4").tobytes()),
            brands=(bucket.brands.names, bucket.brands.codes.astype("<u4").tobytes()),
            said=bucket.said.tobytes(),
            countries=encode_countries(bucket.countries),
        ),
    )


def decode_bucket(encoded: bytes) -> ItemBucket:
    """Read a bucket.

    Raises:
        CorruptStateError: The bytes fail their checksum or are not a bucket.
        NewerStateError: A newer release wrote them.
    """
    # Version 1 ends before the countries.
    fields = read_frame(encoded, dict.fromkeys((1, BUCKET_VERSION), _decode_fields), "items' bucket")
    (categories, of_category), (brands, of_brand) = fields.categories, fields.brands
    try:
        bucket = ItemBucket(
            fields.number,
            fields.ids,
            np.frombuffer(fields.digests, "<u8"),
            np.frombuffer(fields.counts, "<u4").reshape(-1, len(COUNTED_TYPES)),
            np.frombuffer(fields.first_unix_micros, "<i8"),
            np.frombuffer(fields.price_micros, "<i8"),
            Texts(categories, np.frombuffer(of_category, "<u4")),
            Texts(brands, np.frombuffer(of_brand, "<u4")),
            np.frombuffer(fields.said, np.uint8),
            decode_countries(fields.countries, len(fields.ids)),
        )
    except ValueError as error:
        raise CorruptStateError(f"items' bucket: {error}") from error
    columns = (
        bucket.digests,
        bucket.counts,
        bucket.first_unix_micros,
        bucket.price_micros,
        bucket.categories.codes,
        bucket.brands.codes,
        bucket.said,
    )
    if {len(column) for column in columns} != {len(bucket)}:
        raise CorruptStateError(f"items' bucket: expected {len(bucket)} items in every column")
    return bucket


def frame(version: int, fields: Any) -> bytes:
    """Write fields as msgpack, with their version and a checksum of both, as states are."""
    body = bytes((version,)) + _encode(fields)
    return _HEADER.pack(crc32(body), version) + body[1:]


def read_frame(encoded: bytes, readers: dict[int, Callable[[bytes], _T]], what: str) -> _T:
    """Read what ``frame`` wrote; raises as ``decode_bucket``."""
    if len(encoded) < _HEADER.size:
        raise CorruptStateError(f"{what}: expected at least {_HEADER.size} bytes, got {len(encoded)}")
    expected, version = _HEADER.unpack_from(encoded)
    actual = crc32(memoryview(encoded)[_HEADER.size - 1 :])
    if expected != actual:
        raise CorruptStateError(f"{what}: expected CRC-32 {expected:08x}, got {actual:08x} over {len(encoded)} bytes")
    reader = readers.get(version)
    if reader is None:
        raise NewerStateError(f"{what}: version {version}, this release reads {sorted(readers)}; upgrade it")
    try:
        return reader(encoded[_HEADER.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(f"{what}: {error}") from error


def _piece(texts: Texts, piece: slice) -> Texts:
    return Texts.of([texts.names[code] for code in texts.codes[piece]])


def _join(parts: Sequence[Texts]) -> Texts:
    return Texts.of([part.names[code] for part in parts for code in part.codes])
