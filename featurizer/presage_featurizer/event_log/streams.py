"""The event streams: a stream for each partition of visitors; each entry is an event, a served vector or an exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer.digests import WIDTH
from presage_featurizer.errors import CorruptStateError
from presage_featurizer.state import CoreState
from presage_featurizer.view import MAX_UNIX_MICROS

__all__ = [
    "BEGINNING",
    "EVENT_FIELD",
    "EXPOSURE_FIELD",
    "NO_PRIOR_STATE_FIELD",
    "PARTITIONS",
    "VECTOR_FIELD",
    "Entry",
    "EntryId",
    "ServedVector",
    "decode_served_vector",
    "encode_served_vector",
    "last_event_of",
    "partition_of",
    "stream_key",
]

PARTITIONS = 1_024
"""Partitions that visitors fall into."""


def partition_of(user_id: str) -> int:
    """Return a visitor's partition, 0 to PARTITIONS - 1; the same in every process and release."""
    return crc32(user_id.encode()) % PARTITIONS


def stream_key(partition: int) -> str:
    """Return the key of a partition's stream. A cluster hashes the part in braces, which the visitors' states share."""
    return f"{{p{partition}}}:events"


EVENT_FIELD = "event"
"""Holds an event, as ``encode_event`` writes it."""
NO_PRIOR_STATE_FIELD = "fresh"
"""Present if the event was folded into no state: the visitor was new, had expired, or could not be read."""
VECTOR_FIELD = "vector"
"""Holds a served vector, as ``encode_served_vector`` writes it; such an entry has no event."""
EXPOSURE_FIELD = "exposure"
"""Holds an exposure, as ``encode_exposure`` writes it; such an entry has no event."""

_EVENT, _NO_PRIOR_STATE, _VECTOR = EVENT_FIELD.encode(), NO_PRIOR_STATE_FIELD.encode(), VECTOR_FIELD.encode()
_EXPOSURE = EXPOSURE_FIELD.encode()


class EntryId(NamedTuple):
    """The id of a stream's entry. Ids of one stream only grow."""

    unix_millis: int
    sequence: int

    @classmethod
    def parse(cls, text: bytes) -> EntryId:
        """Read an id as the store writes it: ``1767225600000-0``."""
        unix_millis, _, sequence = text.partition(b"-")
        return cls(int(unix_millis), int(sequence))

    def __str__(self) -> str:
        return f"{self.unix_millis}-{self.sequence}"


BEGINNING = EntryId(0, 0)
"""Before every entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    partition: int
    entry_id: EntryId
    event: bytes
    """The encoded event; empty if the entry has none."""
    no_prior_state: bool
    """Whether the event was folded into no state."""
    vector: bytes = b""
    """The encoded vector; empty if the entry has none."""
    exposure: bytes = b""
    """The encoded exposure; empty if the entry has none."""

    @classmethod
    def parse(cls, partition: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
        """Read an entry as the store returns it."""
        event, vector = fields.get(_EVENT, b""), fields.get(_VECTOR, b"")
        exposure = fields.get(_EXPOSURE, b"")
        return cls(partition, EntryId.parse(entry_id), event, _NO_PRIOR_STATE in fields, vector, exposure)


class ServedVector(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """One vector as a model received it, and what is needed to compute it again."""

    user_id: str
    session_id: str
    """As the caller sent it; empty for the most recent session."""
    as_of_unix_micros: int
    """The moment that it was computed for."""
    last_event: bytes
    """See ``last_event_of``."""
    model: str
    model_version: str
    fingerprint: str
    """Of the model's feature set, in hex."""
    values: bytes
    """The features, float32, little-endian."""
    score: float
    arm: int = 0
    """Which of the model's versions the visitor is assigned to: a number of ``presage.v1.Arm``."""
    propensity: float = 1.0
    """The share of visitors that get this arm."""
    prior: bool = False
    """Whether the score is from before a model was trained, so that it says nothing about models."""
    others: tuple[tuple[str, float], ...] = ()
    """Other versions of the model, and their scores of the same state at the same moment, which the caller did not see."""

    @property
    def features(self) -> NDArray[np.float32]:
        """The values as an array; read-only."""
        return np.frombuffer(self.values, dtype="<f4")


_FLOAT_BYTES = 4
_decode_served_vector = msgspec.msgpack.Decoder(ServedVector).decode

encode_served_vector: Callable[[ServedVector], bytes] = msgspec.msgpack.Encoder().encode
"""Write a vector as it is stored."""


def decode_served_vector(encoded: bytes) -> ServedVector:
    """Read a stored vector.

    Raises:
        CorruptStateError: The bytes are not a served vector.
    """
    try:
        vector = _decode_served_vector(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(f"served vector: {error}") from error
    if not 0 <= vector.as_of_unix_micros <= MAX_UNIX_MICROS:
        raise CorruptStateError(
            f"served vector: expected a time of 0 to {MAX_UNIX_MICROS} µs, got {vector.as_of_unix_micros}"
        )
    if len(vector.values) % _FLOAT_BYTES:
        raise CorruptStateError(f"served vector: expected float32 values, got {len(vector.values)} bytes")
    return vector


def last_event_of(state: CoreState | None) -> bytes:
    """Return the digest of the id of the last event in a state; empty if there is no state."""
    return b"" if state is None else state.recent_events[-WIDTH:]
