"""How far a follower is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FollowerProgress"]


@dataclass(kw_only=True, slots=True)
class FollowerProgress:
    """What a follower has done since it was started."""

    epoch: int = -1
    """The newest closed bucket."""
    items: int = 0
    """Items that closed buckets name."""
    entries: int = 0
    """Entries of the event streams that were read."""
    changes: int = 0
    """Changes of the catalogue that were read."""
    published: int = 0
    """Buckets that were published."""
    behind_seconds: float = 0.0
    """How long ago the newest closed bucket ended."""
    late: int = 0
    """Entries of buckets that were closed already: the store's clock went back."""
    unreadable: int = 0
    """Entries that this release cannot read."""
    lost: int = 0
    """Entries known to have left the streams before they were counted."""
    checkpoints: int = 0

    def line(self) -> str:
        """Write it as one line for logs."""
        return (
            f"epoch={self.epoch} items={self.items} entries={self.entries} changes={self.changes} "
            f"published={self.published} behind_seconds={self.behind_seconds:.0f} late={self.late} "
            f"unreadable={self.unreadable} lost={self.lost} checkpoints={self.checkpoints}"
        )
