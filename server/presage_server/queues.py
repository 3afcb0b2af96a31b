"""Queues by name: calls for one visitor wait for each other inside this process, instead of racing in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

__all__ = ["NamedQueues"]


class NamedQueues:
    """Locks that exist only while somebody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, names: Iterable[str]) -> AsyncIterator[None]:
        """Wait for one's turn with every name; the names are free for the next when the context ends."""
        async with AsyncExitStack() as stack:
            # One order for all, so that two batches never wait for each other.
            for name in sorted(set(names)):
                await stack.enter_async_context(self._turn(name))
            yield

    def __len__(self) -> int:
        """Count the names in use."""
        return len(self._locks)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[name]
            if users > 1:
                self._locks[name] = lock, users - 1
            else:
                del self._locks[name]
