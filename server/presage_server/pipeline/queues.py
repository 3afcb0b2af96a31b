"""Queues by name: calls for one visitor wait for each other inside this process, instead of racing in the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from types import TracebackType

__all__ = ["NamedQueues"]


class NamedQueues:
    """Turns by name; a name is kept only while somebody has or awaits its turn."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Those who wait, by the names that somebody has the turn with."""

    def turn(self, names: Iterable[str]) -> _Turn:
        """Wait for one's turn with every name, in a context; the names are free for the next when it ends."""
        # One order for all, so that two batches never wait for each other.
        return _Turn(self, sorted(set(names)))

    def __len__(self) -> int:
        """Count the names in use."""
        return len(self._waiting)

    async def take(self, name: str) -> None:
        """Wait for one's turn with a name."""
        waiting = self._waiting.get(name)
        if waiting is None:
            self._waiting[name] = deque()
            return
        mine = asyncio.get_running_loop().create_future()
        waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.free(name)  # the turn had come just then
            elif mine in waiting:
                waiting.remove(mine)
            raise

    def free(self, name: str) -> None:
        """Hand a turn on to the next who waits."""
        waiting = self._waiting[name]
        while waiting:
            following = waiting.popleft()
            if not following.done():
                following.set_result(None)
                return
        del self._waiting[name]


class _Turn:
    """The turns with some names; a class, since every event takes one and a generator costs several times as much."""

    __slots__ = ("_names", "_queues", "_taken")

    def __init__(self, queues: NamedQueues, names: list[str]) -> None:
        self._queues = queues
        self._names = names
        self._taken = 0

    async def __aenter__(self) -> None:
        try:
            for name in self._names:
                await self._queues.take(name)
                self._taken += 1
        except BaseException:
            self._free()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._free()

    def _free(self) -> None:
        for name in self._names[: self._taken]:
            self._queues.free(name)
