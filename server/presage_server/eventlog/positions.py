"""How far a stream has been followed, and whether entries left it before they were read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

__all__ = ["BEGINNING", "Discontinuity", "EntryId", "Finding", "Position", "StreamInfo", "check"]


class EntryId(NamedTuple):
    """The id of a stream's entry; ids of one stream only grow."""

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


class Position(msgspec.Struct, frozen=True):
    """How far one stream has been followed."""

    last: EntryId = BEGINNING
    """The last entry that was read."""
    counted: int | None = None
    """Entries that the stream ever had up to ``last``: archived, lost, or gone before the archive began; None if unknown."""
    lost: int = 0
    """Entries known to have left the stream unread since the archive began."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the store says of a stream at one moment."""

    length: int
    """Entries in it."""
    first: EntryId | None
    """The oldest of them; None if it is empty."""
    newest: EntryId | None
    """The newest of them; None if it is empty."""
    last_generated: EntryId
    """The newest that it ever had, deleted ones included."""
    added: int | None
    """Entries that it ever had; None before Redis 7."""


class Discontinuity(StrEnum):
    """What can have happened to a stream."""

    LOST = "lost"
    """Entries left it before they were read."""
    MAYBE_LOST = "maybe lost"
    """The last entry read has left it, so later ones may have as well; the store keeps no count that could tell."""
    BEGAN_ANEW = "began anew"
    """It is not the stream that was followed, or an older copy of it: the store was emptied, exchanged or set back."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that happened to a stream."""

    kind: Discontinuity
    after: EntryId
    """The last entry read before."""
    before: EntryId | None
    """The oldest entry that is there; None if none is."""
    entries: int = 0
    """How many were lost, where that is known."""


def check(position: Position, info: StreamInfo) -> tuple[Position, Finding | None]:
    """Compare how far a stream has been followed with what is in it, at the moment of the next read.

    Returns:
        The position with its counts made right, and what happened; None if nothing did.
    """
    last, counted = position.last, position.counted

    def found(kind: Discontinuity, entries: int = 0) -> Finding:
        return Finding(kind, last, info.first, entries)

    if info.last_generated < last:
        known = counted is not None and counted == info.added
        return _moved(position, counted=info.added), None if known else found(Discontinuity.BEGAN_ANEW)
    caught_up = info.newest is None or info.newest <= last
    # Streams are trimmed from their oldest end: while the last entry read, or one before it, is there, so is all that follows.
    all_read_are_gone = info.first is None or info.first > last
    if info.added is None or counted is None:
        uncertain = all_read_are_gone and info.last_generated > last != BEGINNING
        return (
            _moved(position, counted=info.added if caught_up else None),
            found(Discontinuity.MAYBE_LOST) if uncertain else None,
        )
    if all_read_are_gone:
        missing = info.added - info.length - counted
    elif caught_up:
        missing = info.added - counted
    elif info.added < counted:
        return _moved(position, counted=None), found(Discontinuity.BEGAN_ANEW)
    else:
        missing = 0
    if not missing:
        return position, None
    moved = _moved(position, counted=counted + missing, lost=max(missing, 0))
    return moved, found(Discontinuity.LOST, missing) if missing > 0 else found(Discontinuity.BEGAN_ANEW)


def _moved(position: Position, *, counted: int | None, lost: int = 0) -> Position:
    return Position(last=position.last, counted=counted, lost=position.lost + lost)
