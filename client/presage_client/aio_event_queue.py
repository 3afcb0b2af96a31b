"""Tracks events in the background, on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic, time_ns
from types import TracebackType
from typing import Self

from presage_client._checks import check_instance
from presage_client._event_buffer import Batch, EventBuffer, OnRejected, call_error, tell_rejected
from presage_client.aio import AsyncClient
from presage_client.errors import PresageError
from presage_client.queueing import QueueOptions, QueueStats, WhenFull
from presage_client.types import Event, TrackOutcome

__all__ = ["AsyncEventQueue"]


class AsyncEventQueue:
    """Tracks events in the background, on the running loop: EventQueue with ``await``.

    ``put`` waits for nothing, except for room with ``WhenFull.WAIT``. A loop that ends without ``close`` loses what is left.

    Args:
        client: What sends them; close it after the queue.
        options: How many events, and for how long.
        on_rejected: Called, in the loop, with each event that the server does not take and the reason.
    """

    def __init__(
        self, client: AsyncClient, *, options: QueueOptions | None = None, on_rejected: OnRejected | None = None
    ) -> None:
        check_instance("client", client, AsyncClient)
        if options is not None:
            check_instance("options", options, QueueOptions)
        self._client = client
        self._options = options or QueueOptions()
        self._on_rejected = on_rejected
        self._buffer = EventBuffer(self._options)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hurry = 0
        self._closed = False
        self._given_up = False

    async def __aenter__(self) -> Self:
        """Return the queue itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the queue."""
        await self.close()

    @property
    def stats(self) -> QueueStats:
        """What was done so far."""
        return self._buffer.stats

    async def put(self, event: Event) -> bool:
        """Leave an event to be tracked; return whether it is in the queue, rather than dropped.

        Raises:
            TypeError: It is no event.
        """
        check_instance("event", event, Event)
        if self._options.when_full is WhenFull.WAIT and self._buffer.full:
            await self._until(lambda: self._closed or not self._buffer.full, self._options.max_wait_ms / 1_000)
        if self._closed:
            self._buffer.refuse()
            return False
        is_in = self._buffer.put(event, now_seconds=monotonic(), now_unix_micros=time_ns() // 1_000)
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        elif len(self._buffer) == 1 or self._buffer.has_batch:
            self._notify()
        return is_in

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing waits of what has been put; return whether it came to that within ``timeout_s`` seconds."""
        last = self._hurry = self._buffer.newest
        self._notify()
        return await self._until(lambda: self._buffer.oldest > last, timeout_s)

    async def close(self, timeout_s: float = 5.0) -> bool:
        """Take no more events, and send those that wait; return whether all were sent within ``timeout_s`` seconds.

        What was not is dropped, and counted as such. Closing twice does nothing more.
        """
        self._closed = True
        self._notify()
        await self._until(lambda: not len(self._buffer), timeout_s)
        self._given_up = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        return not self._buffer.give_up()

    async def _work(self) -> None:
        while (batch := await self._next_batch()) is not None:
            outcomes, error = await self._send(batch)
            settled = self._buffer.settle(batch, outcomes, error)
            self._notify()
            tell_rejected(settled.rejected, self._on_rejected)
            if settled.wait_seconds:
                await self._until(lambda: self._closed, settled.wait_seconds)
                await asyncio.sleep(self._options.initial_backoff_ms / 1_000)  # at the end, too, but briefly

    async def _next_batch(self) -> Batch | None:
        """Return what to send next, None: the queue is closed, and empty."""
        await self._until(lambda: bool(len(self._buffer)) or self._closed, None)
        await self._until(
            lambda: self._closed or self._buffer.has_batch or self._buffer.oldest <= self._hurry,
            self._options.linger_ms / 1_000,
        )
        return self._buffer.take(now_seconds=monotonic()) if len(self._buffer) else None

    async def _send(self, batch: Batch) -> tuple[list[TrackOutcome], PresageError | None]:
        try:
            return await self._client.track_many(batch.events, timeout_ms=self._options.timeout_ms), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the events behind must not wait forever
            failure = call_error(error, batch.events)
            return list(failure.outcomes), failure

    async def _until(self, holds: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until something holds; return whether it does by then."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await self._changed.wait()
        except TimeoutError:
            return holds()
        return True

    def _notify(self) -> None:
        """Wake all waiting tasks, each of which checks again and waits for the next event."""
        before, self._changed = self._changed, asyncio.Event()
        before.set()
