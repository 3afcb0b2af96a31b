"""The events of a queue and their outcomes; both queues are loops around this. Not thread-safe."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from grpc import StatusCode

from presage_client._calls import track_many
from presage_client.errors import InternalError, InvalidRequestError, PresageError, UnavailableError
from presage_client.queueing import QueueOptions, QueueStats, WhenFull
from presage_client.types import Event, TrackOutcome

__all__ = ["Batch", "EventBuffer", "OnRejected", "Settled", "call_error", "tell_rejected"]

_logger = logging.getLogger("presage_client.queue")

OnRejected = Callable[[Event, PresageError], None]

_SOON_SECONDS = 1.0
"""An event that is sent within this time is timed by the server's clock, as when it is tracked at once."""


@dataclass(slots=True)
class _Waiting:
    event: Event
    number: int
    put_seconds: float
    put_unix_micros: int
    attempts: int = 0


class Batch(NamedTuple):
    """Events that are being sent."""

    waiting: Sequence[_Waiting]
    events: Sequence[Event]


class Settled(NamedTuple):
    """What came of a batch."""

    wait_seconds: float
    """How long to wait before the next one."""
    rejected: Sequence[tuple[Event, PresageError]]
    """Events that are given up, and why."""


class EventBuffer:
    """Keeps events in their order until a server has counted them."""

    def __init__(self, options: QueueOptions) -> None:
        self.options = options
        self._waiting: deque[_Waiting] = deque()
        self._being_sent: Sequence[_Waiting] = ()
        self._alone = 0
        """How many events are still to be sent alone, to find the one for which a call failed."""
        self._failures = 0
        """Calls that have failed since one was answered."""
        self.newest = 0
        """The number of the event that was put last; they count from 1."""
        self._counted = self._dropped = self._rejected = self._failed_calls = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._being_sent)

    @property
    def oldest(self) -> float:
        """The number of the first event that is waiting or being sent; infinite where there is none."""
        for entries in (self._being_sent, self._waiting):
            if entries:
                return entries[0].number
        return float("inf")

    @property
    def full(self) -> bool:
        """Whether there is no room for another event."""
        return len(self) >= self.options.max_events

    @property
    def has_batch(self) -> bool:
        """Whether there is no need to wait for further events."""
        return len(self._waiting) >= self.options.batch_events

    @property
    def stats(self) -> QueueStats:
        """What was done so far."""
        return QueueStats(
            put=self.newest,
            waiting=len(self),
            counted=self._counted,
            dropped=self._dropped,
            rejected=self._rejected,
            failed_calls=self._failed_calls,
        )

    def put(self, event: Event, *, now_seconds: float, now_unix_micros: int) -> bool:
        """Add an event, and make room as the options say; return whether it is in."""
        self.newest += 1
        if self.full:
            # Those that are being sent may have been counted already.
            oldest_goes = self.options.when_full is WhenFull.DROP_OLDEST and self._waiting
            self._drop(1)
            if not oldest_goes:
                return False
            self._waiting.popleft()
        self._waiting.append(_Waiting(event, self.newest, now_seconds, now_unix_micros))
        return True

    def refuse(self) -> None:
        """Count an event that a closed queue does not take."""
        self.newest += 1
        self._drop(1)

    def take(self, *, now_seconds: float) -> Batch:
        """Take the events that are sent next, of which there must be one; ``settle`` has to follow."""
        count = 1 if self._alone else min(len(self._waiting), self.options.batch_events)
        taken = [self._waiting.popleft() for _ in range(count)]
        self._being_sent = taken
        for entry in taken:
            entry.attempts += 1
            if not entry.event.event_time_unix_micros and now_seconds - entry.put_seconds > _SOON_SECONDS:
                # The server would take the time at which it comes for the time at which it happened.
                entry.event = replace(entry.event, event_time_unix_micros=entry.put_unix_micros)
        return Batch(taken, [entry.event for entry in taken])

    def settle(self, batch: Batch, outcomes: Iterable[TrackOutcome], error: PresageError | None) -> Settled:
        """Process the outcome of a batch; events that were not counted wait again, before all others.

        Args:
            batch: What was sent.
            outcomes: Of its first events.
            error: Why there are none of the others; None: there are.
        """
        outcomes = list(outcomes)
        self._being_sent = ()
        self._alone = max(self._alone - len(outcomes), 0)
        again: list[_Waiting] = []
        rejected: list[tuple[Event, PresageError]] = []
        trouble = error
        for entry, outcome in zip(batch.waiting, outcomes, strict=False):
            if outcome.error is None:
                self._counted += 1
            elif isinstance(outcome.error, InvalidRequestError) or entry.attempts >= self.options.max_attempts:
                rejected.append((entry.event, outcome.error))
            else:
                again.append(entry)
                trouble = trouble or outcome.error
        unsent = list(batch.waiting[len(outcomes) :])
        if error is not None:
            self._failed_calls += 1
            if isinstance(error, InvalidRequestError | InternalError):
                # Perhaps because of one of them, by its size for example. Alone, it shows which.
                self._alone = max(self._alone, len(unsent))
                invalid = isinstance(error, InvalidRequestError)
                if len(batch.waiting) == 1 and (invalid or unsent[0].attempts >= self.options.max_attempts):
                    rejected.append((unsent.pop().event, error))
                    self._alone -= 1
                if invalid:
                    trouble = None
            else:
                for entry in unsent:
                    entry.attempts -= 1  # it was not this event
        self._waiting.extendleft(reversed([*again, *unsent]))
        self._rejected += len(rejected)
        return Settled(self._delay(trouble), rejected)

    def give_up(self) -> int:
        """Drop all that is left, and return how many those were."""
        left = len(self)
        self._waiting.clear()
        self._being_sent = ()
        if left:
            self._drop(left)
        return left

    def _delay(self, trouble: PresageError | None) -> float:
        if trouble is None:
            if self._failures:
                _logger.info("events are sent again")
            self._failures = 0
            return 0.0
        if not self._failures:
            _logger.warning("events cannot be sent now, and %d wait: %s", len(self), trouble)
        backoff_ms = min(self.options.initial_backoff_ms * 2.0 ** min(self._failures, 30), self.options.max_backoff_ms)
        self._failures += 1
        return max(backoff_ms, trouble.retry_after_ms or 0.0) / 1_000

    def _drop(self, count: int) -> None:
        before = self._dropped
        self._dropped += count
        # The first, the tenth, the hundredth: a queue that stays full drops thousands a second.
        if not before or len(str(before)) < len(str(self._dropped)):
            _logger.warning("events dropped so far: %d; waiting: %d", self._dropped, len(self))


def call_error(error: Exception, events: Sequence[Event]) -> PresageError:
    """Return why a call with events failed, as one of our errors.

    An event that no message can hold is an invalid request. What else is raised before anything is sent, as by the function that
    returns the token, is no event's fault: all of them wait.
    """
    if isinstance(error, PresageError):
        return error
    try:
        for _ in track_many(events):
            pass
    except (TypeError, ValueError) as unfit:
        return InvalidRequestError(str(unfit), StatusCode.INVALID_ARGUMENT, "event of a queue")
    _logger.error("sending events failed", exc_info=error)
    return UnavailableError(repr(error), StatusCode.UNKNOWN, "events of a queue")


def tell_rejected(rejected: Iterable[tuple[Event, PresageError]], on_rejected: OnRejected | None) -> None:
    """Report events that are given up."""
    for event, error in rejected:
        if on_rejected is None:
            _logger.warning("an event was rejected: %s", error)
            continue
        try:
            on_rejected(event, error)
        except Exception:
            _logger.exception("on_rejected failed")
