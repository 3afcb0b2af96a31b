"""What an archive has of a visitor."""

from __future__ import annotations

from dataclasses import dataclass

from presage_featurizer.event_log import ArchivedRow, ServedVector

__all__ = ["History", "RecentVisitor"]


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What an archive has of one visitor."""

    user_id: str
    rows: tuple[ArchivedRow, ...]
    """The visitor's events that can be read, in the order in which they were applied."""
    vectors: tuple[ServedVector, ...]
    """The visitor's sampled vectors, as they were served; of very many, the newest."""
    unreadable: int
    """Entries that this release cannot read and that may be the visitor's."""
    cut: bool
    """Whether there are more than are read, so that the newest are missing."""
    archive_id: str
    """Which archive it was read from."""
    batch: int
    """The last batch of the archive that was read."""
    archived_until_unix_micros: int
    """When the store got the newest archived entry of the visitor's partition; 0 if there is none."""
    lost: int
    """Entries of the visitor's partition that left the store before they were archived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecentVisitor:
    """A visitor of the newest batches."""

    user_id: str
    what: str
    """The type of the visitor's newest event, in words."""
    unix_micros: int
    """When it happened."""
