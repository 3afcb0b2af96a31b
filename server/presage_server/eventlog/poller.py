"""Has a consumer read the event streams again and again, and waits for a store that goes away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event as Flag
from time import monotonic
from typing import Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from presage_featurizer.event_log import PARTITIONS
from presage_server.eventlog.errors import EventLogStoreError, StreamsGoneError

__all__ = ["Consumer", "Poller"]

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_ALL = range(PARTITIONS)


class Consumer(Protocol):
    """Reads entries and does something with them, such as archiving them. Methods raise redis-py's errors."""

    def prepare(self) -> None:
        """Continue every stream after the last entry that was read; called first, and again after an error of the store."""
        ...

    def sweep(self, partitions: Sequence[int], /) -> list[int]:
        """Read once from each of these streams; return those that may have more."""
        ...

    def commit(self) -> None:
        """Save everything that was read, then acknowledge it."""
        ...


class Poller:
    """Drives a consumer.

    Args:
        consumer: What reads the streams.
        once: Whether to end when all streams are read, and to fail if the store goes away.
        flush_seconds: How often the consumer commits.
        warn: Called with one line for each thing that an operator must know.
    """

    def __init__(self, consumer: Consumer, *, once: bool, flush_seconds: float, warn: Callable[[str], None]) -> None:
        self._consumer = consumer
        self._once = once
        self._flush_seconds = flush_seconds
        self._warn = warn
        self._prepared = False
        self._more: list[int] = []
        self._swept_all_at = self._flushed_at = monotonic()

    def run(self, *, stop: Flag, on_step: Callable[[], None]) -> None:
        """Poll until ``stop`` is set, or with ``once`` until nothing is left; then commit what was read.

        Args:
            stop: Ends the polling.
            on_step: Called after each step, and at the end.

        Raises:
            EventLogStoreError: The store rejects a command that reading needs; with ``once``, also if it goes away.
        """
        store_is_away = False
        while not stop.is_set():
            try:
                idle = self.step()
            except (RedisConnectionError, RedisTimeoutError) as error:
                if self._once:
                    raise EventLogStoreError(f"redis_url: the store went away ({error}); run the same again") from error
                if not store_is_away:
                    self._warn(f"the store does not answer ({error}); waiting for it")
                store_is_away = True
                self.reset()
                stop.wait(_RETRY_SECONDS)
                continue
            except StreamsGoneError:
                self.reset()
                continue
            except RedisError as error:
                raise EventLogStoreError(f"redis_url: the store refuses: {str(error)[:200]}") from error
            if store_is_away:
                store_is_away = False
                self._warn("the store answers again")
            on_step()
            if idle and self._once:
                break
            if idle:
                stop.wait(min(_POLL_SECONDS, self._flush_seconds))
        try:
            self._consumer.commit()
        except RedisError:
            # What was read is saved; the next start sees that it was not acknowledged.
            self._warn("the store does not answer; everything that was read is saved")
        on_step()

    def step(self) -> bool:
        """Sweep the streams that have more, or all of them once a second, and commit when it is time.

        Returns:
            Whether all streams were read to their ends.
        """
        if not self._prepared:
            self._consumer.prepare()
            self._prepared = True
        if self._more and (self._once or monotonic() - self._swept_all_at < _POLL_SECONDS):
            self._more = self._consumer.sweep(self._more)
        else:
            self._swept_all_at = monotonic()
            self._more = self._consumer.sweep(_ALL)
        if monotonic() - self._flushed_at >= self._flush_seconds:
            self._consumer.commit()
            self._flushed_at = monotonic()
        return not self._more

    def reset(self) -> None:
        """Prepare the consumer again before the next step, because the reply to the last read may be lost."""
        self._prepared = False
        self._more = []
