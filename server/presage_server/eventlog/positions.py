"""Whether entries left a stream before they were read, from the position of the reader and what is in the stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from presage_featurizer.event_log import BEGINNING, EntryId, Position

__all__ = ["Discontinuity", "DiscontinuityKind", "StreamInfo", "check_continuity", "pairs"]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the store reports of a stream at one moment."""

    length: int
    """Entries in it."""
    first: EntryId | None
    """The oldest of them; None if it is empty."""
    newest: EntryId | None
    """The newest of them; None if it is empty."""
    last_generated: EntryId
    """The newest that it ever had, including deleted ones."""
    added: int | None
    """Entries that it ever had; None before Redis 7."""

    @classmethod
    def parse(cls, reply: list[Any]) -> StreamInfo:
        """Read the reply to XINFO STREAM."""
        info = pairs(reply)
        first, newest = info[b"first-entry"], info[b"last-entry"]
        return cls(
            length=info[b"length"],
            first=EntryId.parse(first[0]) if first else None,
            newest=EntryId.parse(newest[0]) if newest else None,
            last_generated=EntryId.parse(info[b"last-generated-id"]),
            added=info.get(b"entries-added"),
        )


class DiscontinuityKind(StrEnum):
    """What can have happened to a stream."""

    LOST = "lost"
    """Entries left it before they were read."""
    MAYBE_LOST = "maybe lost"
    """The last entry read has left it, so later ones may have left too; the store keeps no count to find out."""
    STREAM_RESET = "stream reset"
    """It is another stream, or an older copy: the store was emptied, replaced, or restored from a backup."""


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """One thing that happened to a stream."""

    kind: DiscontinuityKind
    after: EntryId
    """The last entry read before it."""
    before: EntryId | None
    """The oldest entry in the stream; None if the stream is empty."""
    entries: int = 0
    """How many were lost, if that is known."""


def check_continuity(position: Position, info: StreamInfo) -> tuple[Position, Discontinuity | None]:
    """Compare a reader's position with what is in the stream when the next read begins.

    Returns:
        The position with its counts corrected, and what happened; None if nothing did.
    """
    last, counted = position.last, position.counted

    def found(kind: DiscontinuityKind, entries: int = 0) -> Discontinuity:
        return Discontinuity(kind, last, info.first, entries)

    if info.last_generated < last:
        known = counted is not None and counted == info.added
        return _with_counts(position, counted=info.added), None if known else found(DiscontinuityKind.STREAM_RESET)
    caught_up = info.newest is None or info.newest <= last
    # Streams are trimmed from their oldest end: while the last entry read, or an older one, is there, so are all that follow.
    all_read_are_gone = info.first is None or info.first > last
    if info.added is None or counted is None:
        uncertain = all_read_are_gone and info.last_generated > last != BEGINNING
        return (
            _with_counts(position, counted=info.added if caught_up else None),
            found(DiscontinuityKind.MAYBE_LOST) if uncertain else None,
        )
    if all_read_are_gone:
        missing = info.added - info.length - counted
    elif caught_up:
        missing = info.added - counted
    elif info.added < counted:
        return _with_counts(position, counted=None), found(DiscontinuityKind.STREAM_RESET)
    else:
        missing = 0
    if not missing:
        return position, None
    corrected = _with_counts(position, counted=counted + missing, lost=max(missing, 0))
    return corrected, found(DiscontinuityKind.LOST, missing) if missing > 0 else found(DiscontinuityKind.STREAM_RESET)


def pairs(reply: list[Any]) -> dict[bytes, Any]:
    """Make a dictionary of a reply in which names and values take turns."""
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _with_counts(position: Position, *, counted: int | None, lost: int = 0) -> Position:
    return Position(last=position.last, counted=counted, lost=position.lost + lost)
