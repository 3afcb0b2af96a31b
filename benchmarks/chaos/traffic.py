"""Events and scores at a constant rate, and what was answered to each.

Every event is a purchase of 1.00, so the feature ``monetary_value`` of a score says how many events it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from itertools import count, cycle
from random import Random
from typing import Any

import grpc
import msgspec

from presage.v1 import event_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import CONVERSION

__all__ = ["Event", "Kind", "Score", "Traffic", "run_traffic"]

_PAID = CONVERSION.features.index("monetary_value")
_TICK_SECONDS = 0.004
_CONNECTIONS = 4
_BATCH_AGAIN, _AGAIN_SECONDS = 100, 0.05
_SETTLE_SECONDS = 60.0
_CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),  # what the server says is recorded, not what a retry made of it
    ("grpc.use_local_subchannel_pool", 1),
)
_REJECTIONS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
_UNANSWERED = (
    "failed to connect",
    "Socket closed",
    "recvmsg",
    "Connection re",
    "GOAWAY",
    "sendmsg",
    "Broken pipe",
    "Stream removed",
)
"""How the texts of an UNAVAILABLE begin, or what they hold, that the server has not sent."""


class Kind(StrEnum):
    """What was returned."""

    OK = "ok"
    DEGRADED = "degraded"
    """A score that says that it lacks the visitor's history."""
    REJECTED = "rejected"
    """The server says that it did nothing, or that sending again is safe."""
    FAILED = "failed"
    """No answer in time, or none at all."""


class _Call(msgspec.Struct, kw_only=True):
    """One call; times are of ``time.monotonic``."""

    user: int
    sent: float
    ended: float
    kind: Kind
    detail: str
    """Status and text, unless it is ok."""


class Event(_Call, kw_only=True):
    """One that was sent, and what was answered when it was sent first."""

    id: str
    acknowledged: float = 0.0
    """When it was, first; 0.0: never."""


class Score(_Call, kw_only=True):
    """One that was asked for."""

    seen: int
    """How many events the score has seen."""


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
        self._stubs = cycle([scoring_service_pb2_grpc.ScoringServiceStub(channel) for channel in self._channels])

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
                    self._start(send[place]())
                due[place] %= 1
            await asyncio.sleep(_TICK_SECONDS)

    def burst(self, count: int) -> None:
        """Send as many calls at once, half of them events."""
        for _ in range(count // 2):
            self._start(self._track())
            self._start(self._score())

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
        return next(self._stubs)

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
            self._note(event, *_judge(error))
        else:
            self._note(event, Kind.OK)

    async def _track_many(self) -> None:
        events = [self._new_event() for _ in range(self._batch)]
        request = scoring_service_pb2.TrackEventsRequest(events=[self._message(event) for event in events])
        try:
            response = await self._next_stub().TrackEvents(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            for event in events:
                self._note(event, *_judge(error))
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

    def _note(self, event: Event, kind: Kind, detail: str = "") -> None:
        event.ended, event.kind, event.detail = time.monotonic(), kind, detail
        if kind is Kind.OK:
            event.acknowledged = event.ended

    async def _score(self) -> None:
        user, sent, seen = self._random.randrange(self._users), time.monotonic(), 0
        request = scoring_service_pb2.ScoreRequest(user_id=self.user_id(user), include_features=True)
        kind, detail = Kind.OK, ""
        try:
            response = await self._next_stub().Score(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            kind, detail = _judge(error)
        else:
            prediction = response.prediction
            seen = round(prediction.features.values[_PAID])
            kind = Kind.DEGRADED if prediction.degraded else Kind.OK
        self.scores.append(Score(user=user, sent=sent, ended=time.monotonic(), kind=kind, detail=detail, seen=seen))


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


def _judge(error: grpc.aio.AioRpcError) -> tuple[Kind, str]:
    code, text = error.code(), error.details() or ""
    is_answered = code in _REJECTIONS and not any(part in text for part in _UNANSWERED)
    return Kind.REJECTED if is_answered else Kind.FAILED, f"{code.name}: {text}"


def outcomes(calls: Sequence[_Call]) -> dict[Kind, int]:
    """Count calls by what was returned."""
    counts = dict.fromkeys(Kind, 0)
    for call in calls:
        counts[call.kind] += 1
    return counts
