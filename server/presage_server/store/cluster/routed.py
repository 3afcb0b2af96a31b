"""Commands on a cluster, each sent to the server that has its partition, and redirected when the partition has moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from presage_server.store.cluster.cluster_link import ClusterLink
from presage_server.store.link import Link
from presage_server.store.resp import ReplyError, encode

__all__ = ["UNANSWERED", "Routed"]

UNANSWERED = ReplyError("no server of the cluster answered")
"""Stands for the reply to a command that may have run or not."""

_ASKING = encode("ASKING")
_TRY_AGAIN_SECONDS = 0.003
"""The keys of a command are on two servers while their slot moves from one to the other."""
_DOWN_PAUSE_SECONDS = 0.02
_DOWN_SECONDS = 0.25
"""How long a cluster may be down, as it is while a failed server's replica takes over, until what was asked counts as unanswered:
as long as one server may be away."""
_REDIRECTED_SECONDS = 5.0
"""How long commands are sent on. Whoever waits for them has a deadline, which usually comes first."""


class Routed:
    """Commands that were asked for together, and their replies, which come from several servers.

    Args:
        cluster: Sends.
        partitions: The partition of each command's keys.
        commands: The commands, encoded.
        on_replies: Called once with all replies, in order.
        repeatable: Whether the commands may run twice.
    """

    __slots__ = (
        "_cluster",
        "_commands",
        "_missing",
        "_on_replies",
        "_partitions",
        "_repeatable",
        "_replies",
        "_started",
    )

    def __init__(
        self,
        cluster: ClusterLink,
        partitions: Sequence[int],
        commands: Sequence[bytes],
        on_replies: Callable[[list[Any]], None],
        *,
        repeatable: bool = True,
    ) -> None:
        self._cluster = cluster
        self._partitions = partitions
        self._commands = commands
        self._on_replies = on_replies
        self._repeatable = repeatable
        self._replies: list[Any] = [UNANSWERED] * len(commands)
        self._missing = len(commands)
        self._started = monotonic()

    def send(self) -> None:
        """Send all of them with the next ``flush`` or ``pump``; ``on_replies`` may be called at once."""
        self._send(range(len(self._commands)))

    def _send(self, places: Sequence[int]) -> None:
        by_link: dict[Link, list[int]] = {}
        link_of, partitions = self._cluster.link_of, self._partitions
        for place in places:
            by_link.setdefault(link_of(partitions[place]), []).append(place)
        for link, together in by_link.items():
            payload = b"".join([self._commands[place] for place in together])
            on_replies = partial(self._take, link, together)
            link.send(payload, len(together), on_replies, repeatable=self._repeatable)

    def _take(self, link: Link, places: Sequence[int], replies: list[Any] | None) -> None:
        if replies is None:
            self._go_on_without(link, places)
            return
        done = 0
        again: list[int] = []
        for place, reply in zip(places, replies, strict=True):
            if reply.__class__ is ReplyError and self._follow(link, place, reply, again):
                continue
            self._replies[place] = reply
            done += 1
        self._finish(done)
        if again:
            self._send(again)

    def _go_on_without(self, link: Link, places: Sequence[int]) -> None:
        """Have those sent again whose partition is at another server by now; the others stay unanswered."""
        again: list[int] = []
        if self._repeatable and self._lasts(_REDIRECTED_SECONDS):
            link_of, partitions = self._cluster.link_of, self._partitions
            again = [place for place in places if link_of(partitions[place]) is not link]
        self._finish(len(places) - len(again))
        if again:
            self._send(again)

    def _follow(self, link: Link, place: int, error: ReplyError, again: list[int]) -> bool:
        """Redirect a command if the reply says that it was not carried out and where it belongs; return whether it was."""
        word, _, rest = str(error).partition(" ")
        cluster = self._cluster
        if word in {"CLUSTERDOWN", "READONLY"}:
            cluster.want_map()
            return self._later(_DOWN_PAUSE_SECONDS, _DOWN_SECONDS, place)
        if word == "TRYAGAIN":
            return self._later(_TRY_AGAIN_SECONDS, _REDIRECTED_SECONDS, place)
        if word not in {"MOVED", "ASK"} or not self._lasts(_REDIRECTED_SECONDS):
            return False
        host, _, port = rest.partition(" ")[2].rpartition(":")
        target = host or cluster.place_of(link)[0], int(port)
        if word == "MOVED":
            cluster.moved(self._partitions[place], target)
            again.append(place)
        else:
            self._ask(cluster.link_to(target), place)
        return True

    def _ask(self, link: Link, place: int) -> None:
        def on_replies(replies: list[Any] | None) -> None:
            self._take(link, [place], None if replies is None else replies[1:])

        link.send(_ASKING + self._commands[place], 2, on_replies, repeatable=self._repeatable)

    def _later(self, pause_seconds: float, longest_seconds: float, place: int) -> bool:
        if not self._lasts(longest_seconds):
            return False
        self._cluster.later(pause_seconds, lambda: self._send([place]))
        return True

    def _lasts(self, longest_seconds: float) -> bool:
        return not self._cluster.closed and monotonic() - self._started < longest_seconds

    def _finish(self, done: int) -> None:
        self._missing -= done
        if done and not self._missing:
            self._on_replies(self._replies)
