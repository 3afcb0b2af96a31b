"""How a process is told to stop: once to drain, twice to end at once."""

from __future__ import annotations

import asyncio

__all__ = ["Stop"]


class Stop:
    """Stops the task that makes it: one that waits until it is told to drain, or is cancelled when nobody will wait for that."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._told = asyncio.Event()
        self._serving = False

    async def told(self) -> None:
        """Wait, now that all is up, until it is time to drain."""
        self._serving = True
        await self._told.wait()

    def drain(self) -> None:
        """Have the task drain, or end if it is still starting. Told again, it goes on doing so."""
        if self._told.is_set():
            return
        self._told.set()
        if not self._serving:
            self._task.cancel()

    def at_once(self) -> None:
        """Have the task end now, wherever it is."""
        self._told.set()
        self._task.cancel()

    def ask(self) -> None:
        """Have the task drain; asked a second time, end now. For signals that a person sends."""
        if self._told.is_set():
            self.at_once()
        else:
            self.drain()
