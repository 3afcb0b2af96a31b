"""States and events as bytes: a CRC-32 of the rest, one version byte, then msgpack.

States written by an older release are read: fields that it did not know take their defaults. When a field changes its meaning, the
version goes up and a reader for the old one joins ``_STATE_READERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

import msgspec

from presage_featurizer.errors import CorruptStateError, NewerStateError
from presage_featurizer.events import Event
from presage_featurizer.state import CoreState, State

__all__ = ["decode_core_state", "decode_event", "decode_state", "encode_event", "encode_state"]

STATE_VERSION = 2
"""Goes up with every change of the structs, an appended field included: an older release must not drop what it does not know."""

EVENT_VERSION = 1
"""The same for events."""

_CRC_BYTES = 4
_HEADER_BYTES = _CRC_BYTES + 1
T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(State).decode
# Version 2 appended the habits.
_STATE_READERS: dict[int, Callable[[bytes], State]] = {1: _decode_state, 2: _decode_state}
_decode_core_state = msgspec.msgpack.Decoder(CoreState).decode
_CORE_STATE_READERS: dict[int, Callable[[bytes], CoreState]] = {1: _decode_core_state, 2: _decode_core_state}
_EVENT_READERS: dict[int, Callable[[bytes], Event]] = {1: msgspec.msgpack.Decoder(Event).decode}


def encode_state(state: State) -> bytes:
    """Write a state as bytes; the same events folded in the same order give the same bytes."""
    return _frame(STATE_VERSION, _encode(state))


def decode_state(blob: bytes) -> State:
    """Read a state that this release or an older one wrote.

    Raises:
        CorruptStateError: The bytes fail their checksum or do not decode.
        NewerStateError: A newer release wrote them.
    """
    return _read(blob, _STATE_READERS, "state")


def decode_core_state(blob: bytes) -> CoreState:
    """Read a state without its habits, for features that need none; raises as ``decode_state`` does."""
    return _read(blob, _CORE_STATE_READERS, "state")


def encode_event(event: Event) -> bytes:
    """Write an event as bytes, as it goes into the event log."""
    return _frame(EVENT_VERSION, _encode(event))


def decode_event(blob: bytes) -> Event:
    """Read an event that this release or an older one wrote; raises as ``decode_state`` does."""
    return _read(blob, _EVENT_READERS, "event")


def _frame(version: int, body: bytes) -> bytes:
    rest = bytes((version,)) + body
    return crc32(rest).to_bytes(_CRC_BYTES, "big") + rest


def _read(blob: bytes, readers: dict[int, Callable[[bytes], T]], what: str) -> T:
    if len(blob) < _HEADER_BYTES:
        raise CorruptStateError(f"{what}: expected at least {_HEADER_BYTES} bytes, got {len(blob)}")
    expected, actual = int.from_bytes(blob[:_CRC_BYTES], "big"), crc32(blob[_CRC_BYTES:])
    if expected != actual:
        raise CorruptStateError(f"{what}: expected CRC-32 {expected:08x}, got {actual:08x} over {len(blob)} bytes")
    version = blob[_CRC_BYTES]
    reader = readers.get(version)
    if reader is None:
        raise NewerStateError(f"{what}: version {version}, this release reads {sorted(readers)}; upgrade it")
    try:
        return reader(blob[_HEADER_BYTES:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptStateError(f"{what}: {error}") from error
