"""Tracks events in the background, with threads."""

from __future__ import annotations

import atexit
import threading
import weakref
from time import monotonic, time_ns
from types import TracebackType
from typing import Self

from presage_client._checks import check_instance
from presage_client._event_buffer import Batch, EventBuffer, OnRejected, call_error, tell_rejected
from presage_client._forking import check_fork, watch_forks
from presage_client.blocking import Client
from presage_client.errors import PresageError
from presage_client.queueing import QueueOptions, QueueStats, WhenFull
from presage_client.types import Event, TrackOutcome

__all__ = ["EventQueue"]

_AT_EXIT_SECONDS = 2.0


class EventQueue:
    """Tracks events in the background: ``put`` returns at once, and a thread sends them in batches, again if need be.

    Events are counted once however often they are sent, and in their order. While no server can take them they wait; the queue is
    bounded, and what has no room is dropped and counted. One that waits for more than a second is given the time at which it was
    put, by this machine's clock, unless it has one.

    After a fork, the child's queue is empty, and sends what is put into it there. A process that ends without ``close`` gets two
    seconds to send what is left; one that is killed, or calls ``os._exit``, loses it.

    Args:
        client: What sends them; close it after the queue.
        options: How many events, and for how long.
        on_rejected: Called, in the queue's thread, with each event that the server does not take and the reason.
    """

    def __init__(
        self, client: Client, *, options: QueueOptions | None = None, on_rejected: OnRejected | None = None
    ) -> None:
        check_instance("client", client, Client)
        if options is not None:
            check_instance("options", options, QueueOptions)
        self._client = client
        self._options = options or QueueOptions()
        self._on_rejected = on_rejected
        self._closed = False
        self.after_fork()
        watch_forks(self)

    def __enter__(self) -> Self:
        """Return the queue itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the queue."""
        self.close()

    @property
    def stats(self) -> QueueStats:
        """What was done so far, in this process."""
        with self._changed:
            return self._buffer.stats

    def put(self, event: Event) -> bool:
        """Leave an event to be tracked; return whether it is in the queue, rather than dropped.

        Raises:
            TypeError: It is no event.
            RuntimeError: gRPC cannot be used in this process, which was forked; the message says what to do.
        """
        check_instance("event", event, Event)
        check_fork()
        with self._changed:
            if self._options.when_full is WhenFull.WAIT and self._buffer.full:
                self._changed.wait_for(lambda: self._closed or not self._buffer.full, self._options.max_wait_ms / 1_000)
            if self._closed:
                self._buffer.refuse()
                return False
            is_in = self._buffer.put(event, now_seconds=monotonic(), now_unix_micros=time_ns() // 1_000)
            if self._thread is None:
                self._start()
            elif len(self._buffer) == 1 or self._buffer.has_batch:
                self._changed.notify_all()
            return is_in

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing waits of what has been put; return whether it came to that within ``timeout_s`` seconds."""
        with self._changed:
            last = self._hurry = self._buffer.newest
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._buffer.oldest > last, timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Take no more events, and send those that wait; return whether all were sent within ``timeout_s`` seconds.

        What was not is dropped, and counted as such. Closing twice does nothing more.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not len(self._buffer), timeout_s)
            self._given_up = True
            self._changed.notify_all()
            return not self._buffer.give_up()

    def after_fork(self) -> None:
        """Start over without events: those of the parent are the parent's to send."""
        self._changed = threading.Condition()
        self._buffer = EventBuffer(self._options)
        self._thread: threading.Thread | None = None
        self._hurry = 0
        self._given_up = False

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="presage-queue", daemon=True)
        self._thread.start()
        atexit.register(_close_at_exit, weakref.ref(self))

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            outcomes, error = self._send(batch)
            with self._changed:
                if self._given_up:
                    return
                settled = self._buffer.settle(batch, outcomes, error)
                self._changed.notify_all()
            tell_rejected(settled.rejected, self._on_rejected)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, settled.wait_seconds)
                if settled.wait_seconds:  # at the end, too, but briefly
                    self._changed.wait_for(lambda: self._given_up, self._options.initial_backoff_ms / 1_000)

    def _next_batch(self) -> Batch | None:
        """Return what to send next, None: the queue is closed, and empty."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._buffer) or self._closed)
            self._changed.wait_for(
                lambda: self._closed or self._buffer.has_batch or self._buffer.oldest <= self._hurry,
                self._options.linger_ms / 1_000,
            )
            return self._buffer.take(now_seconds=monotonic()) if len(self._buffer) else None

    def _send(self, batch: Batch) -> tuple[list[TrackOutcome], PresageError | None]:
        try:
            return self._client.track_many(batch.events, timeout_ms=self._options.timeout_ms), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the events behind must not wait forever
            failure = call_error(error, batch.events)
            return list(failure.outcomes), failure


def _close_at_exit(of_queue: weakref.ref[EventQueue]) -> None:
    queue = of_queue()
    if queue is not None:
        queue.close(_AT_EXIT_SECONDS)
