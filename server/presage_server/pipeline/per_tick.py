"""What is asked for in one tick of the loop, done together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["PerTick"]

Item = TypeVar("Item")


class PerTick(Generic[Item]):
    """Gathers items, and hands those of one tick to one piece of work. Nothing waits longer for company.

    Args:
        work: What does the work; it answers the items by itself, and raises nothing.
    """

    def __init__(self, work: Callable[[list[Item]], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._items: list[Item] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, item: Item) -> None:
        """Have an item worked on with all others of this tick."""
        if not self._items:
            # Runs when everybody who is ready now has had a turn.
            asyncio.get_running_loop().call_soon(self._start)
        self._items.append(item)

    def _start(self) -> None:
        items, self._items = self._items, []
        task = asyncio.get_running_loop().create_task(self._work(items))
        self._tasks.add(task)  # a loop alone would let go of it
        task.add_done_callback(self._tasks.discard)
