"""What becomes of one visitor: the stored state against what the log gives."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from presage_featurizer import Aggregates, NewerStateError, State, encode_state
from presage_featurizer.event_log import last_event_of
from presage_server.backfill.histories import History
from presage_server.backfill.slots import with_slots, without_slots
from presage_server.store.snapshot import REVISION_BYTES, Snapshot, read_snapshot

__all__ = ["Outcome", "Resolution", "Resolver"]


class Outcome(StrEnum):
    """What becomes of a visitor."""

    UNCHANGED = "unchanged"
    """The stored state is the replayed one, in every bit."""
    BACKFILLED = "backfilled"
    """It differed in the slots of declared features only; now it is the replayed one."""
    RESTORED = "restored"
    """The store had no state; now it has the replayed one."""
    REPLACED = "replaced"
    """The stored state differed; now it is the replayed one."""
    OLDER = "older"
    """The stored state has a history that the log lacks; it was kept, with the slots of declared features from the log."""
    DIFFERENT = "different"
    """The log has the visitor's beginning, but gives another state; treated like OLDER."""
    MISSING = "missing"
    """The store has no state, although it should not have expired."""
    EXPIRED = "expired"
    """The store has no state, because no event came for too long."""
    UNREADABLE = "unreadable"
    """The stored state cannot be read; it was left alone."""
    NEWER = "newer"
    """A newer release wrote the stored state; it was left alone."""


class Resolution(NamedTuple):
    """What to do with one visitor."""

    outcome: Outcome
    base: Snapshot
    """What is stored."""
    state: State | None = None
    """What to write; None: nothing."""
    ttl_millis: int | None = None
    """How long it is to be remembered; None: as long as what it replaces."""


class Resolver:
    """Compares stored states with replayed ones.

    Args:
        aggregates: What states keep for declared features.
        rebuild: Whether the log replaces what is stored, and restores what is not.
        state_ttl_millis: How long a visitor is remembered.
    """

    def __init__(self, aggregates: Aggregates, *, rebuild: bool, state_ttl_millis: int) -> None:
        self._aggregates = aggregates
        self._rebuild = rebuild
        self._state_ttl_millis = state_ttl_millis

    def resolve(self, blob: bytes | None, history: History, now_unix_millis: int) -> Resolution:
        """Decide about a visitor, from its blob and its history up to the moment when the blob was read."""
        if blob is None:
            remaining = history.last_unix_millis + self._state_ttl_millis - now_unix_millis
            if remaining <= 0:
                return Resolution(Outcome.EXPIRED, _NOTHING)
            if self._rebuild:
                return Resolution(Outcome.RESTORED, _NOTHING, history.state, remaining)
            return Resolution(Outcome.MISSING, _NOTHING)
        replayed = encode_state(history.state)
        if blob[REVISION_BYTES:] == replayed:
            return Resolution(Outcome.UNCHANGED, _NOTHING)
        base = read_snapshot(blob)
        if base.state is None:
            newer = isinstance(base.damage, NewerStateError)
            return Resolution(Outcome.NEWER if newer else Outcome.UNREADABLE, base)
        return self._resolve_difference(base, base.state, history)

    def _resolve_difference(self, base: Snapshot, stored: State, history: History) -> Resolution:
        if encode_state(without_slots(stored)) == encode_state(without_slots(history.state)):
            if stored == history.state:  # an older release wrote the same
                return Resolution(Outcome.UNCHANGED, base)
            return Resolution(Outcome.BACKFILLED, base, history.state)
        # A log that lacks the first event or the last one has lost it: what it gives must not replace what is stored.
        reaches_back = history.state.first_seen_unix_micros <= stored.first_seen_unix_micros
        if self._rebuild and reaches_back and last_event_of(stored) == last_event_of(history.state):
            return Resolution(Outcome.REPLACED, base, history.state)
        outcome = Outcome.DIFFERENT if history.begins else Outcome.OLDER
        kept = with_slots(stored, history.state, self._aggregates)
        return Resolution(outcome, base, None if kept == stored else kept)


_NOTHING = Snapshot(None, b"")
