"""Sending a log to a server: many calls in flight, each visitor's events in order."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import presage_client
from presage_client import AsyncClient, ClientOptions, DeadlineExceededError, OverloadedError, UnavailableError
from presage_featurizer import MICROS, Event
from presage_training.quoting import printable
from presage_training.traffic.lanes import lane_of

__all__ = ["Sent", "client_event", "send_log"]

_BATCH = 500
_QUEUED_BATCHES = 2
_ATTEMPTS = 5
_RETRY_SECONDS = 0.5
_POSITION = re.compile(r"\[\d+\]")


@dataclass(kw_only=True, slots=True)
class Sent:
    """What became of a log so far."""

    counted: int = 0
    """Events that the server took in."""
    duplicates: int = 0
    """Events that it had taken in before."""
    refused: Counter[str] = field(default_factory=Counter)
    """Events that it refused, by reason."""
    refused_examples: dict[str, str] = field(default_factory=dict)
    """The first event of each reason: its id and what the server said."""
    visitors: int = 0
    """Different visitors in the log."""
    started: float = field(default_factory=perf_counter)
    seconds: float = 0.0
    """How long it has taken."""

    @property
    def events(self) -> int:
        """Events sent and answered."""
        return self.counted + self.duplicates + self.refused.total()

    @property
    def events_per_second(self) -> float:
        """Events answered in a second, on average."""
        return self.events / self.seconds if self.seconds else 0.0

    def add(self, events: Sequence[Event], outcomes: Iterable[presage_client.TrackOutcome]) -> None:
        """Count the outcomes of events."""
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome.error is not None:
                # One reason for the same fault at different places of a batch.
                reason = printable(_POSITION.sub("", str(outcome.error.message)).partition(", got ")[0])
                self.refused[reason] += 1
                self.refused_examples.setdefault(reason, printable(f"{event.event_id}: {outcome.error.message}"))
            elif outcome.duplicate:
                self.duplicates += 1
            else:
                self.counted += 1
        self.seconds = perf_counter() - self.started


async def send_log(
    events: Iterable[Event], target: str, *, lanes: int, timeout_ms: float, show: Callable[[Sent], None]
) -> Sent:
    """Send events to a server.

    Each visitor's events go through one lane, one call after another, so they arrive in order. While the server is unavailable or
    too busy, a lane tries a few times more: the events carry their ids, so none counts twice.

    Args:
        events: The log; read as it is sent, so it may be longer than memory.
        target: The server, host:port.
        lanes: How many calls may be in flight.
        timeout_ms: What one call may take.
        show: Called after every call with what has become of the log so far.

    Returns:
        What became of it.

    Raises:
        PresageError: A call failed as a whole, and trying again did not help.
    """
    sent = Sent()
    queues: list[asyncio.Queue[list[Event]]] = [asyncio.Queue(_QUEUED_BATCHES) for _ in range(lanes)]
    visitors: set[int] = set()
    client = AsyncClient(target, options=ClientOptions(timeout_ms=timeout_ms))
    try:
        async with client, asyncio.TaskGroup() as group:
            workers = [group.create_task(_work(queue, client, sent, show)) for queue in queues]
            for lane, batch in _batches(events, lanes, visitors):
                await queues[lane].put(batch)
            for queue in queues:
                await queue.join()
            for worker in workers:
                worker.cancel()
    except BaseExceptionGroup as failures:
        # The first failure ended the others.
        raise failures.exceptions[0] from failures
    sent.visitors = len(visitors)
    return sent


def client_event(event: Event) -> presage_client.Event:
    """Turn the featurizer's event into the client's."""
    return presage_client.Event(
        event_id=event.event_id,
        type=presage_client.EventType(event.type),
        user_id=event.user_id,
        session_id=event.session_id,
        event_time_unix_micros=event.event_time_unix_micros,
        items=[
            presage_client.Item(
                item_id=item.item_id,
                category=item.category,
                brand=item.brand,
                price=item.price_micros / MICROS,
                quantity=item.quantity,
            )
            for item in event.items
        ],
        country=event.country,
        device=presage_client.Device(event.device),
        order_id=event.order_id,
        value=None if event.value_micros is None else event.value_micros / MICROS,
        currency=event.currency,
    )


def _batches(events: Iterable[Event], lanes: int, visitors: set[int]) -> Iterator[tuple[int, list[Event]]]:
    """Deal events out to lanes, by visitor, a batch at a time; gather digests of the visitors' ids."""
    waiting: list[list[Event]] = [[] for _ in range(lanes)]
    for event in events:
        visitors.add(hash(event.user_id))
        lane = lane_of(event.user_id, lanes)
        waiting[lane].append(event)
        if len(waiting[lane]) == _BATCH:
            yield lane, waiting[lane]
            waiting[lane] = []
    yield from ((lane, batch) for lane, batch in enumerate(waiting) if batch)


async def _work(
    queue: asyncio.Queue[list[Event]], client: AsyncClient, sent: Sent, show: Callable[[Sent], None]
) -> None:
    while True:
        batch = await queue.get()
        done = 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                outcomes = await client.track_many(map(client_event, batch[done:]))
            except (UnavailableError, DeadlineExceededError, OverloadedError) as error:
                sent.add(batch[done : done + len(error.outcomes)], error.outcomes)
                done += len(error.outcomes)
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_RETRY_SECONDS * attempt)
            else:
                sent.add(batch[done:], outcomes)
                break
        show(sent)
        queue.task_done()
