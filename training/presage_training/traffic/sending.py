"""Sends a log to a server with several calls in flight; each visitor's events stay in order."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import grpc

import presage_client
from presage_client import AsyncClient, ClientOptions, DeadlineExceededError, OverloadedError, UnavailableError
from presage_featurizer import MICROS, Event, Item, Shown
from presage_training.quoting import printable
from presage_training.traffic.lanes import lane_of

__all__ = ["SendStats", "client_event", "send_log"]

_BATCH = 500
_QUEUED_BATCHES = 2
_ATTEMPTS = 5
_RETRY_SECONDS = 0.5
_NOT_SHOWN = Shown()
_POSITION = re.compile(r"\[\d+\]")


@dataclass(kw_only=True, slots=True)
class SendStats:
    """The outcomes of the events sent so far."""

    counted: int = 0
    """Events that the server accepted."""
    duplicates: int = 0
    """Events that the server had accepted before."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Events that the server rejected, by reason."""
    rejected_examples: dict[str, str] = field(default_factory=dict)
    """The first event of each reason: its id and the server's message."""
    visitors: int = 0
    """Distinct visitors in the log."""
    started: float = field(default_factory=perf_counter)
    seconds: float = 0.0
    """The duration so far."""

    @property
    def events(self) -> int:
        """Events sent and answered."""
        return self.counted + self.duplicates + self.rejected.total()

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    def add(self, events: Sequence[Event], outcomes: Iterable[presage_client.TrackOutcome]) -> None:
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome.error is not None:
                # The same fault at different positions of a batch has the same reason.
                reason = printable(_POSITION.sub("", str(outcome.error.message)).partition(", got ")[0])
                self.rejected[reason] += 1
                self.rejected_examples.setdefault(reason, printable(f"{event.event_id}: {outcome.error.message}"))
            elif outcome.duplicate:
                self.duplicates += 1
            else:
                self.counted += 1
        self.seconds = perf_counter() - self.started


async def send_log(
    events: Iterable[Event],
    target: str,
    *,
    lanes: int,
    timeout_ms: float,
    on_progress: Callable[[SendStats], None],
    token: str = "",
    credentials: grpc.ChannelCredentials | None = None,
) -> SendStats:
    """Send events to a server.

    Each visitor's events go through one lane, one call after another, so they arrive in order. While the server is unavailable or
    overloaded, a lane retries a few times: events carry their ids, so none counts twice.

    Args:
        events: The log; read while it is sent, so it may be larger than memory.
        target: The server, host:port.
        lanes: The number of calls in flight.
        timeout_ms: The deadline of one call.
        on_progress: Called after every call with the outcomes so far.
        token: What the server asks for, if it does.
        credentials: Those of TLS; None: plain text.

    Returns:
        The outcomes.

    Raises:
        PresageError: A call failed as a whole, and so did its retries.
    """
    stats = SendStats()
    queues: list[asyncio.Queue[list[Event]]] = [asyncio.Queue(_QUEUED_BATCHES) for _ in range(lanes)]
    visitors: set[int] = set()
    client = AsyncClient(target, options=ClientOptions(timeout_ms=timeout_ms, token=token, credentials=credentials))
    try:
        async with client, asyncio.TaskGroup() as group:
            workers = [group.create_task(_work(queue, client, stats, on_progress)) for queue in queues]
            for lane, batch in _batches(events, lanes, visitors):
                await queues[lane].put(batch)
            for queue in queues:
                await queue.join()
            for worker in workers:
                worker.cancel()
    except BaseExceptionGroup as failures:
        # The first failure cancelled the others.
        raise failures.exceptions[0] from failures
    stats.visitors = len(visitors)
    return stats


def client_event(event: Event) -> presage_client.Event:
    """Convert the featurizer's event to the client's."""
    return presage_client.Event(
        event_id=event.event_id,
        type=presage_client.EventType(event.type),
        user_id=event.user_id,
        session_id=event.session_id,
        event_time_unix_micros=event.event_time_unix_micros,
        items=[_client_item(item) for item in event.items],
        country=event.country,
        device=presage_client.Device(event.device),
        order_id=event.order_id,
        value=None if event.value_micros is None else event.value_micros / MICROS,
        currency=event.currency,
        numbers=event.numbers,
        labels=event.labels,
    )


def _client_item(item: Item) -> presage_client.Item:
    shown = item.shown or _NOT_SHOWN
    return presage_client.Item(
        item_id=item.item_id,
        category=item.category,
        brand=item.brand,
        price=item.price_micros / MICROS,
        quantity=item.quantity,
        position=shown.position,
        rank_id=shown.rank_id,
        propensity=shown.propensity,
    )


def _batches(events: Iterable[Event], lanes: int, visitors: set[int]) -> Iterator[tuple[int, list[Event]]]:
    """Distribute events over lanes by visitor, in batches; collects hashes of the visitors' ids."""
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
    queue: asyncio.Queue[list[Event]], client: AsyncClient, stats: SendStats, on_progress: Callable[[SendStats], None]
) -> None:
    while True:
        batch = await queue.get()
        done = 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                outcomes = await client.track_many(map(client_event, batch[done:]))
            except (UnavailableError, DeadlineExceededError, OverloadedError) as error:
                stats.add(batch[done : done + len(error.outcomes)], error.outcomes)
                done += len(error.outcomes)
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_RETRY_SECONDS * attempt)
            else:
                stats.add(batch[done:], outcomes)
                break
        on_progress(stats)
        queue.task_done()
