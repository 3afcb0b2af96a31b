"""Events and scores at a constant rate, and what was answered to each.

Every event is a purchase of 1.00, so the feature ``monetary_value`` of a score says how many events it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from random import Random
from typing import Any

import grpc

from benchmarks.chaos.answers import Event, Kind, Score, judge
from presage.v1 import event_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import CONVERSION

__all__ = ["Traffic", "run_traffic"]

_PAID = CONVERSION.features.index("monetary_value")
_TICK_SECONDS = 0.004
_MOST_CALLS = 2_000
"""At most this many calls may be unanswered; what is due beyond that is not sent, since this process would then be the slow one."""
_CONNECTIONS = 4
_BURST_SECONDS = 3.0
"""Longer than it takes to send a thousand calls; nothing says when the library has done so."""
_BATCH_AGAIN, _AGAIN_SECONDS = 100, 0.05
_SETTLE_SECONDS = 60.0
_CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),  # what the server says is recorded, not what a retry made of it
    ("grpc.use_local_subchannel_pool", 1),
)


class Traffic:
    """Sends, and records. Use ``run_traffic``.

    Args:
        address: HOST:PORT.
        users: How many visitors there are.
        events_per_second, scores_per_second: The rates.
        batch: How many events a call has; 1 sends TrackEvent, otherwise TrackEvents.
        timeout_seconds: The deadline of a call.
        random: Chooses visitors.
        name: What the ids of events and visitors begin with.
    """

    def __init__(
        self,
        address: str,
        *,
        users: int,
        events_per_second: float,
        scores_per_second: float,
        batch: int,
        timeout_seconds: float,
        random: Random,
        name: str,
    ) -> None:
        self.events: list[Event] = []
        """In the order in which they were sent."""
        self.scores: list[Score] = []
        self.last_bad = 0.0
        """When the last call was sent that was not answered as it should."""
        self._open: dict[int, Event | Score] = {}
        """The calls that are not answered yet, in the order in which they were sent."""
        self.is_paused = False
        """Whether nothing is sent at the rates for now."""
        self._name = name
        self._users = users
        self._rates = (events_per_second / batch, scores_per_second)
        self._batch = batch
        self._timeout_seconds = timeout_seconds
        self._random = random
        self._numbers = count()
        self._calls: set[asyncio.Task[None]] = set()
        self._ending = False
        self._channels = [grpc.aio.insecure_channel(address, options=_CHANNEL) for _ in range(_CONNECTIONS)]
        self._stubs: Any = [scoring_service_pb2_grpc.ScoringServiceStub(channel) for channel in self._channels]

    @property
    def calm_until(self) -> float:
        """Up to when calls were sent that are all answered by now."""
        return next((call.sent for call in self._open.values()), time.monotonic())

    def user_id(self, user: int) -> str:
        """Return the id of a visitor by number."""
        return f"{self._name}-{user}"

    async def run(self) -> None:
        """Send at the rates until ``settle``."""
        now = time.monotonic()
        due = [0.0, 0.0]
        send = (self._track if self._batch == 1 else self._track_many, self._score)
        while not self._ending:
            before, now = now, time.monotonic()
            for place, rate in enumerate(self._rates):
                due[place] += 0.0 if self.is_paused else rate * (now - before)
                for _ in range(int(due[place])):
                    if len(self._calls) < _MOST_CALLS:
                        self._start(send[place]())
                due[place] %= 1
            await asyncio.sleep(_TICK_SECONDS)

    async def burst(self, count: int) -> None:
        """Send as many calls at once, half of them events, and wait until they have left this process."""
        for _ in range(count // 2):
            self._start(self._track())
            self._start(self._score())
        await asyncio.sleep(_BURST_SECONDS)

    async def settle(self) -> int:
        """Send no more, wait for all calls, then send the events again that were not acknowledged, as clients do.

        Returns:
            How many these were.

        Raises:
            RuntimeError: One is not taken in a minute.
        """
        self._ending = True
        await asyncio.gather(*self._calls)
        again = left = [event for event in self.events if not event.acknowledged]
        until = time.monotonic() + _SETTLE_SECONDS
        while left:
            for first in range(0, len(left), _BATCH_AGAIN):
                await self._send_again(left[first : first + _BATCH_AGAIN])
            left = [event for event in left if not event.acknowledged]
            if left and time.monotonic() > until:
                raise RuntimeError(f"{len(left)} events that were sent again are not taken")
        return len(again)

    async def close(self) -> None:
        """End the calls and the connection."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    def _next_stub(self) -> Any:
        return self._random.choice(self._stubs)

    def _start(self, call: Any) -> None:
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _new_event(self) -> Event:
        event = Event(
            user=self._random.randrange(self._users),
            sent=time.monotonic(),
            ended=0.0,
            kind=Kind.FAILED,
            detail="cut off",
            id=f"{self._name}-e{next(self._numbers)}",
        )
        self.events.append(event)
        self._open[id(event)] = event
        return event

    def _message(self, event: Event) -> event_pb2.Event:
        return event_pb2.Event(
            event_id=event.id,
            user_id=self.user_id(event.user),
            type=event_pb2.EVENT_TYPE_PURCHASE,
            order_id=event.id,
            value=1.0,
        )

    async def _track(self) -> None:
        event = self._new_event()
        request = scoring_service_pb2.TrackEventRequest(event=self._message(event))
        try:
            await self._next_stub().TrackEvent(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            self._note(event, *judge(error))
        else:
            self._note(event, Kind.OK)

    async def _track_many(self) -> None:
        events = [self._new_event() for _ in range(self._batch)]
        request = scoring_service_pb2.TrackEventsRequest(events=[self._message(event) for event in events])
        try:
            response = await self._next_stub().TrackEvents(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            for event in events:
                self._note(event, *judge(error))
        else:
            for event, result in zip(events, response.results, strict=True):
                if result.code:
                    self._note(event, Kind.REJECTED, f"{result.code}: {result.message}")
                else:
                    self._note(event, Kind.OK)

    async def _send_again(self, events: Sequence[Event]) -> None:
        request = scoring_service_pb2.TrackEventsRequest(events=[self._message(event) for event in events])
        try:
            response = await self._next_stub().TrackEvents(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError:
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        for event, result in zip(events, response.results, strict=True):
            if not result.code:
                event.acknowledged = time.monotonic()

    def _note(self, call: Event | Score, kind: Kind, detail: str = "") -> None:
        call.ended, call.kind, call.detail = time.monotonic(), kind, detail
        del self._open[id(call)]
        if kind is not Kind.OK:
            self.last_bad = max(self.last_bad, call.sent)
        elif isinstance(call, Event):
            call.acknowledged = call.ended

    async def _score(self) -> None:
        score = Score(
            user=self._random.randrange(self._users),
            sent=time.monotonic(),
            ended=0.0,
            kind=Kind.FAILED,
            detail="cut off",
            seen=0,
        )
        self.scores.append(score)
        self._open[id(score)] = score
        request = scoring_service_pb2.ScoreRequest(user_id=self.user_id(score.user), include_features=True)
        try:
            response = await self._next_stub().Score(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            self._note(score, *judge(error))
        else:
            prediction = response.prediction
            score.seen = round(prediction.features.values[_PAID])
            self._note(score, Kind.DEGRADED if prediction.degraded else Kind.OK)


@asynccontextmanager
async def run_traffic(
    address: str,
    *,
    name: str,
    users: int = 200,
    events_per_second: float,
    scores_per_second: float,
    batch: int = 1,
    timeout_seconds: float = 1.0,
    seed: int = 1,
) -> AsyncIterator[Traffic]:
    """Send to a server for as long as the context lasts, or until ``settle``; see ``Traffic``."""
    traffic = Traffic(
        address,
        users=users,
        events_per_second=events_per_second,
        scores_per_second=scores_per_second,
        batch=batch,
        timeout_seconds=timeout_seconds,
        random=Random(seed),
        name=name,
    )
    sending = asyncio.create_task(traffic.run())
    try:
        yield traffic
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        await traffic.close()
