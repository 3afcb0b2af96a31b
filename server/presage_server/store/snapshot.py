"""What the store holds of one visitor at one moment, and how a change of it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from presage_featurizer import CoreState, Event, State, StateError, decode_needed, decode_state, encode_state
from presage_featurizer.state import StatePart

__all__ = ["REVISION_BYTES", "WRITER_BYTES", "Change", "Snapshot", "read_snapshot", "read_state"]

REVISION_BYTES = 8
"""Every blob begins with its revision, a big-endian count and its writer; compare-and-set compares these bytes."""

WRITER_BYTES = 2
"""What a writer is known by: drawn at random by each server."""

_COUNT_BYTES = REVISION_BYTES - WRITER_BYTES


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What was read of one visitor."""

    state: State | None
    """The state; None if there is none, or none that can be read."""
    revision: bytes
    """The blob's first REVISION_BYTES bytes (fewer if a damaged one is shorter, none if it is empty); empty if there is no blob."""
    damage: StateError | None = None
    """Why the blob cannot be read; None if it can."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A new state for one visitor, to be written only if the visitor is still as in a snapshot."""

    user_id: str
    base: Snapshot
    """What the events were folded into."""
    state: State
    """What came out."""
    events: Sequence[Event]
    """The events that led there, in order; they go into the event log."""

    def blob(self, now_unix_micros: int, writer: bytes) -> bytes:
        """Write the new state as it is stored.

        A first count is the clock's, so that a visitor who is forgotten and comes back never repeats one. The writer's own bytes
        behind the count distinguish two writers' changes of the same state.
        """
        base = self.base
        fresh = base.damage is not None or not base.revision
        count = now_unix_micros // 1_000 if fresh else int.from_bytes(base.revision[:_COUNT_BYTES], "big") + 1
        return (count % (1 << 8 * _COUNT_BYTES)).to_bytes(_COUNT_BYTES, "big") + writer + encode_state(self.state)


def read_snapshot(blob: bytes | None) -> Snapshot:
    """Read what is stored; a blob that cannot be read becomes a snapshot with the damage in it."""
    if blob is None:
        return Snapshot(None, b"")
    revision = blob[:REVISION_BYTES]
    try:
        return Snapshot(decode_state(blob, REVISION_BYTES), revision)
    except StateError as damage:
        return Snapshot(None, revision, damage)


def read_state(blob: bytes | None, needs: frozenset[StatePart]) -> CoreState | StateError | None:
    """Read the parts of a stored state that are needed; the damage where it cannot be read, None where nothing is stored."""
    if blob is None:
        return None
    try:
        return decode_needed(blob, needs, REVISION_BYTES)
    except StateError as damage:
        return damage
