"""What the store holds of one visitor at one moment, and how a change of it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presage_featurizer import Event, State, StateError, decode_state, encode_state

__all__ = ["REVISION_BYTES", "Change", "Snapshot", "read_snapshot"]

REVISION_BYTES = 8
"""Every blob begins with its revision, big-endian; compare-and-set compares these bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read of one visitor."""

    state: State | None
    """The state; None if there is none, or none that can be read."""
    revision: bytes
    """The blob's first REVISION_BYTES bytes (fewer if a damaged one is shorter, none if it is empty); empty if there is no blob."""
    damage: StateError | None = None
    """Why the blob cannot be read; None if it can."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new state for one visitor, to be written only if the visitor is still as in a snapshot."""

    user_id: str
    base: Snapshot
    """What the events were folded into."""
    state: State
    """What came out."""
    events: Sequence[Event]
    """The events that led there, in order; they go into the event log."""

    def blob(self, now_unix_micros: int) -> bytes:
        """Write the new state as it is stored.

        A first revision is the clock's, so that a visitor who is forgotten and comes back never repeats one.
        """
        base = self.base
        fresh = base.damage is not None or not base.revision
        revision = now_unix_micros if fresh else int.from_bytes(base.revision, "big") + 1
        return revision.to_bytes(REVISION_BYTES, "big") + encode_state(self.state)


def read_snapshot(blob: bytes | None) -> Snapshot:
    """Read what is stored; a blob that cannot be read becomes a snapshot with the damage in it."""
    if blob is None:
        return Snapshot(None, b"")
    revision = blob[:REVISION_BYTES]
    try:
        return Snapshot(decode_state(blob[REVISION_BYTES:]), revision)
    except StateError as damage:
        return Snapshot(None, revision, damage)
