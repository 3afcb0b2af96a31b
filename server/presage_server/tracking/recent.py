"""What this process last wrote of visitors, so that their next event needs no read."""

from __future__ import annotations

from presage_server.store.snapshot import Snapshot

__all__ = ["RecentSnapshots"]

_MAX_STATES = 4_096


class RecentSnapshots:
    """The newest known snapshots of the visitors with the latest events, at most ``capacity``; the longest unused go first.

    They may be out of date, since other servers write too: the compare-and-set of a change shows it.
    """

    def __init__(self, capacity: int = _MAX_STATES) -> None:
        self._capacity = capacity
        self._snapshots: dict[str, Snapshot] = {}

    def take(self, user_id: str) -> Snapshot | None:
        """Return what was last written of a visitor, and forget it: its state is the caller's to change. None if not remembered."""
        return self._snapshots.pop(user_id, None)

    def put(self, user_id: str, snapshot: Snapshot) -> None:
        """Remember what is stored of a visitor now."""
        if not self._capacity or snapshot.damage is not None:
            return
        self._snapshots[user_id] = snapshot
        if len(self._snapshots) > self._capacity:
            del self._snapshots[next(iter(self._snapshots))]
