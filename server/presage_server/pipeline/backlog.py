"""Calls that wait for their batch: each connection gets its turn, and large requests go in slices beside the small ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from presage_server.call import Call
from presage_server.pipeline.batch import Slices

__all__ = ["Backlog", "LargeCall", "newest_of_each"]


def newest_of_each(calls: Sequence[Call], count: int) -> tuple[list[Call], list[Call]]:
    """Choose this many calls, the newest of each connection in turn.

    Returns:
        The chosen calls, the oldest first, and the others.
    """
    connections: dict[str, list[Call]] = {}
    for call in calls:
        connections.setdefault(call.peer, []).append(call)
    chosen: set[int] = set()
    while len(chosen) < min(count, len(calls)):
        for peer in list(connections):
            chosen.add(id(connections[peer].pop()))
            if not connections[peer]:
                del connections[peer]
            if len(chosen) >= count:
                break
    return [call for call in calls if id(call) in chosen], [call for call in calls if id(call) not in chosen]


class LargeCall:
    """A call whose request is processed in slices."""

    __slots__ = ("call", "slices")

    def __init__(self, call: Call, slices: Slices) -> None:
        self.call = call
        self.slices = slices


class Backlog:
    """Small calls by connection, and large calls in turn."""

    def __init__(self) -> None:
        self._connections: dict[str, deque[Call]] = {}
        self._large: deque[LargeCall] = deque()
        self.units = 0
        """The work of the small calls that wait."""

    def __bool__(self) -> bool:
        """Return whether anything waits."""
        return bool(self._connections or self._large)

    @property
    def oldest(self) -> Call | None:
        """A call that waits longest on its connection."""
        for calls in self._connections.values():
            return calls[0]
        return None

    @property
    def large(self) -> deque[LargeCall]:
        """The large calls, the next one first."""
        return self._large

    def add(self, calls: Iterable[Call]) -> None:
        """Queue small calls."""
        connections = self._connections
        for call in calls:
            waiting = connections.get(call.peer)
            if waiting is None:
                connections[call.peer] = deque((call,))
            else:
                waiting.append(call)
            self.units += call.units

    def take(self, units: int, *, newest_first: bool = False) -> list[Call]:
        """Take small calls of about this much work, from each connection in turn. Calls that have ended are left out."""
        taken: list[Call] = []
        for call in self._in_turn(newest_first=newest_first):
            self.units -= call.units
            if call.code is None:
                taken.append(call)
                units -= call.units
                if units <= 0:
                    break
        return taken

    def shorten(self, units: int) -> list[Call]:
        """Take out small calls until no more than this much work waits: those of the longest queues, the oldest of each first."""
        dropped: list[Call] = []
        while self.units > units:
            peer, longest = max(self._connections.items(), key=lambda item: len(item[1]))
            # Down to the length of the others at once, not one by one.
            others = max((len(calls) for other, calls in self._connections.items() if other != peer), default=0)
            for _ in range(max(1, len(longest) - others)):
                if self.units <= units:
                    break
                call = longest.popleft()
                self.units -= call.units
                dropped.append(call)
            if not longest:
                del self._connections[peer]
        return dropped

    def _in_turn(self, *, newest_first: bool) -> Iterator[Call]:
        connections = self._connections
        while connections:
            for peer in list(connections):
                waiting = connections.pop(peer)
                call = waiting.pop() if newest_first else waiting.popleft()
                if waiting:
                    connections[peer] = waiting  # at the end: the next batch begins with another connection
                yield call
