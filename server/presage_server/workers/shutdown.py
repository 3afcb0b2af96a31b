"""Shutdown of a process: the first request drains it, the second ends it at once."""

from __future__ import annotations

import asyncio

__all__ = ["ShutdownSignal"]


class ShutdownSignal:
    """Ends the task that creates it: gracefully by setting an event that it waits for, or at once by cancelling it."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._requested = asyncio.Event()
        self._serving = False

    async def wait(self) -> None:
        """Wait until it is time to drain; call it when everything has started."""
        self._serving = True
        await self._requested.wait()

    def drain(self) -> None:
        """Drain the task, or cancel it if it is still starting; further calls change nothing."""
        if self._requested.is_set():
            return
        self._requested.set()
        if not self._serving:
            self._task.cancel()

    def cancel_now(self) -> None:
        """Cancel the task, whatever it is doing."""
        self._requested.set()
        self._task.cancel()

    def request(self) -> None:
        """Drain the task at the first call, cancel it at the second; for signals that a person sends."""
        if self._requested.is_set():
            self.cancel_now()
        else:
            self.drain()
