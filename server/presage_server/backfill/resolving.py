"""What becomes of one visitor: the stored state against what the log gives."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from presage_featurizer import Aggregates, NewerStateError, State, encode_state
from presage_server.backfill.covering import covers
from presage_server.backfill.histories import History
from presage_server.backfill.slots import with_slots, with_undeclared_slots, without_slots
from presage_server.store.snapshot import REVISION_BYTES, Snapshot, read_snapshot

__all__ = ["Outcome", "Resolution", "Resolver"]


class Outcome(StrEnum):
    """What becomes of a visitor."""

    UNCHANGED = "unchanged"
    """The stored state is the replayed one, in every bit."""
    BACKFILLED = "backfilled"
    """It differed in the slots of declared features only; now they are the replayed ones."""
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

    def resolve(
        self, blob: bytes | None, history: History, now_unix_millis: int, *, log_is_whole: bool = True
    ) -> Resolution:
        """Decide about a visitor.

        Args:
            blob: What is stored; None for nothing.
            history: What the log gives, up to the moment when the blob was read.
            now_unix_millis: The time.
            log_is_whole: Whether no event of the visitor's partition is known to be missing.
        """
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
        return self._resolve_difference(base, base.state, history, log_is_whole=log_is_whole)

    def _resolve_difference(self, base: Snapshot, stored: State, history: History, *, log_is_whole: bool) -> Resolution:
        if encode_state(without_slots(stored)) == encode_state(without_slots(history.state)):
            replayed = with_undeclared_slots(history.state, stored, self._aggregates)
            if stored == replayed:  # an older release wrote the same, or servers keep more than is declared here
                return Resolution(Outcome.UNCHANGED, base)
            return Resolution(Outcome.BACKFILLED, base, replayed)
        if self._rebuild and covers(history, stored, log_is_whole=log_is_whole):
            replayed = with_undeclared_slots(history.state, stored, self._aggregates)
            return Resolution(Outcome.REPLACED, base, replayed)
        outcome = Outcome.DIFFERENT if history.begins else Outcome.OLDER
        kept = with_slots(stored, _of_the_same_life(history, stored), self._aggregates)
        return Resolution(outcome, base, None if kept == stored else kept)


def _of_the_same_life(history: History, stored: State) -> State:
    """Return what the log gives, without what was before a loss if the stored state lacks that: slots do not reach further back."""
    reaches_back = stored.first_seen_unix_micros <= history.state.first_seen_unix_micros
    return history.state if history.life is None or reaches_back else history.life


_NOTHING = Snapshot(None, b"")
