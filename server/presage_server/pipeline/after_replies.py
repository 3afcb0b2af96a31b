"""What is done once the replies of a batch have been sent, so that no caller waits for it."""

from __future__ import annotations

from math import inf

from presage_server.models.guarding import Guard
from presage_server.ranking.pairing import ListPairs
from presage_server.scoring.pairing import Pairs

__all__ = ["AfterReplies"]


class AfterReplies:
    """Work of the serving thread that belongs to no call.

    Args:
        pairs: Scores a share of the visitors with other versions, too; None does not.
        guard: Rolls challengers back; None does not.
        lists: Scores a share of the lists with other versions, too; None does not.
    """

    def __init__(self, pairs: Pairs | None = None, guard: Guard | None = None, lists: ListPairs | None = None) -> None:
        self._pairs = pairs
        self._guard = guard
        self._lists = lists

    def work(self, now: float, *, idle: bool) -> float:
        """Do some of it.

        Args:
            now: The time, in seconds of ``time.monotonic``.
            idle: Whether no call waits.

        Returns:
            In how many seconds more of it is due; infinite if nothing is left.
        """
        if self._guard is not None:
            self._guard.look(now)
        due = inf
        if self._pairs is not None:
            due = self._pairs.work(now, idle=idle)
            idle = idle and due > 0.0  # one of them in a turn
        return due if self._lists is None else min(due, self._lists.work(now, idle=idle))
