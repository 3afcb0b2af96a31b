"""States and events as bytes: a CRC-32 of the rest, one version byte, then msgpack.

States written by an older release are readable: fields that it did not have take their defaults. When a field changes its meaning,
the version increases and a reader for the old one is added to ``_STATE_READERS``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TypeVar
from zlib import crc32

import msgspec

from presage_featurizer.errors import CorruptStateError, NewerStateError
from presage_featurizer.events import Event
from presage_featurizer.item_history import history_of_interests
from presage_featurizer.state import CoreState, Interest, State, StatePart

__all__ = ["decode_event", "decode_needed", "decode_state", "encode_event", "encode_state"]

STATE_VERSION = 5
"""Increases with every change of the structs, even an appended field: an older release must not drop fields it does not know."""

EVENT_VERSION = 4
"""Increases likewise, so that an older archiver keeps the bytes of an event that it does not fully know."""

_HEADER = struct.Struct(">IB")
"""The checksum and the version."""
_VERSION_CRCS = [crc32(bytes((version,))) for version in range(256)]
"""Checksums of each version byte alone. The checksum of a body continues from there, so the two need not be joined first."""
T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(State).decode
_decode_core_state = msgspec.msgpack.Decoder(CoreState).decode
_decode_fields = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_SLOTS_FIELD = CoreState.__struct_fields__.index("slots")
_NO_SLOTS = msgspec.Raw(_encode({}))
_HABITS_FIELD = State.__struct_fields__.index("habits")
_ITEMS_OF_HABITS, _LAST_ITEM_OF_HABITS = 7, 9
_decode_interests = msgspec.msgpack.Decoder(dict[bytes, Interest]).decode


def _with_slots(body: bytes) -> bytes:
    """Insert the visitor's slots, which versions before 4 lack."""
    fields = _decode_fields(body)
    return _encode([*fields[:_SLOTS_FIELD], _NO_SLOTS, *fields[_SLOTS_FIELD:]])


def _with_item_history(body: bytes) -> State:
    """Decode a state whose habits have interests in items, as those before version 5 have, as a state with a history of items."""
    fields = _decode_fields(body)
    if len(fields) <= _HABITS_FIELD:
        return _decode_state(body)
    habits = _decode_fields(fields[_HABITS_FIELD])
    kept = [field for place, field in enumerate(habits) if place not in (_ITEMS_OF_HABITS, _LAST_ITEM_OF_HABITS)]
    fields[_HABITS_FIELD] = msgspec.Raw(_encode(kept))
    state = _decode_state(_encode(fields))
    if len(habits) > _ITEMS_OF_HABITS:
        state.items = history_of_interests(_decode_interests(habits[_ITEMS_OF_HABITS]))
    return state


# Version 2 appended the habits, version 3 the recent orders; version 4 inserted the slots before them, and
# appended fields to sessions; version 5 appended the items to sessions and to the state, and took them out of the habits.
_STATE_READERS: dict[int, Callable[[bytes], State]] = {
    **dict.fromkeys((1, 2, 3), lambda body: _with_item_history(_with_slots(body))),
    4: _with_item_history,
    5: _decode_state,
}
_CORE_STATE_READERS: dict[int, Callable[[bytes], CoreState]] = {
    **dict.fromkeys((1, 2, 3), lambda body: _decode_core_state(_with_slots(body))),
    **dict.fromkeys((4, 5), _decode_core_state),
}
_decode_event = msgspec.msgpack.Decoder(Event).decode
# Version 2 appended the server's clock, version 3 the numbers and labels, version 4 to items how they were shown.
_EVENT_READERS: dict[int, Callable[[bytes], Event]] = dict.fromkeys((1, 2, 3, 4), _decode_event)


def encode_state(state: State) -> bytes:
    """Encode a state; the same events folded in the same order give the same bytes."""
    return _frame(STATE_VERSION, _encode(state))


def decode_state(blob: bytes, start: int = 0) -> State:
    """Decode a state that this release or an older one wrote.

    Args:
        blob: Bytes that end with the state.
        start: The offset of its first byte.

    Raises:
        CorruptStateError: The bytes fail their checksum or do not decode.
        NewerStateError: A newer release wrote them.
    """
    return _read(blob, start, _STATE_READERS, "state")


def decode_needed(blob: bytes, needs: frozenset[StatePart], start: int = 0) -> CoreState:
    """Decode a state without the parts that are not needed; otherwise like ``decode_state``."""
    readers: Mapping[int, Callable[[bytes], CoreState]] = _STATE_READERS if needs else _CORE_STATE_READERS
    return _read(blob, start, readers, "state")


def encode_event(event: Event) -> bytes:
    """Encode an event for the event log."""
    return _frame(EVENT_VERSION, _encode(event))


def decode_event(blob: bytes) -> Event:
    """Decode an event that this release or an older one wrote; raises like ``decode_state``."""
    return _read(blob, 0, _EVENT_READERS, "event")


def _frame(version: int, body: bytes) -> bytes:
    return _HEADER.pack(crc32(body, _VERSION_CRCS[version]), version) + body


def _read(blob: bytes, start: int, readers: Mapping[int, Callable[[bytes], T]], what: str) -> T:
    try:
        expected, version = _HEADER.unpack_from(blob, start)
    except struct.error:
        raise CorruptStateError(
            f"{what}: expected at least {_HEADER.size} bytes, got {max(len(blob) - start, 0)}"
        ) from None
    body = blob[start + _HEADER.size :]
    actual = crc32(body, _VERSION_CRCS[version])
    if expected != actual:
        raise CorruptStateError(
            f"{what}: expected CRC-32 {expected:08x}, got {actual:08x} over {len(blob) - start} bytes"
        )
    reader = readers.get(version)
    if reader is None:
        raise NewerStateError(f"{what}: version {version}, this release reads {sorted(readers)}; upgrade it")
    try:
        return reader(body)
    except RecursionError as error:
        raise CorruptStateError(f"{what}: it is nested too deeply") from error
    except Exception as error:  # also what readers of older versions make of numbers that these never wrote
        raise CorruptStateError(f"{what}: {error}") from error
