"""A time limit for a part of a call: ``asyncio.timeout`` at a third of its cost, which every call pays."""

from __future__ import annotations

import asyncio
from types import TracebackType

from presage_server.pipeline.timers import timers_of

__all__ = ["TimeLimit"]


class TimeLimit:
    """Cancels what runs in its context after a while, and turns that cancellation into TimeoutError.

    A cancellation from elsewhere stays one, as with ``asyncio.timeout``.

    Args:
        seconds: From when the context is entered.
    """

    __slots__ = ("_cancelling", "_expired", "_handle", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "a time limit needs a task that it can cancel"
        self._task = task
        self._cancelling = task.cancelling()
        self._handle = timers_of(loop).after(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End.

        Raises:
            TimeoutError: The time was over.
        """
        self._handle.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
