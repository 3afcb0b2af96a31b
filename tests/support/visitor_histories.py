"""Histories of visitors as the console reads them from an archive, made of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from presage_console.visitor.history import History
from presage_featurizer import Event
from presage_featurizer.event_log import ArchivedRow, EntryId, ServedVector

__all__ = ["history_of"]


def history_of(log: Sequence[Event], *, fresh: Collection[int] = (0,), vectors: Iterable[ServedVector] = ()) -> History:
    """Make the history of a log, whose events at the places ``fresh`` found no state."""
    rows = tuple(ArchivedRow(3, EntryId(place, 0), place in fresh, event) for place, event in enumerate(log))
    return History(
        user_id="visitor",
        rows=rows,
        vectors=tuple(vectors),
        unreadable=0,
        cut=False,
        archive_id="a",
        batch=1,
        archived_until_unix_micros=0,
        lost=0,
    )
