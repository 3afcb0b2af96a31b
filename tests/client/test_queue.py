"""Events that are tracked in the background: each test with both queues, unless it is about threads or processes."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections import Counter

import grpc
import pytest

from presage.v1 import scoring_service_pb2
from presage_client import (
    AsyncClient,
    AsyncEventQueue,
    Client,
    ClientOptions,
    Event,
    EventQueue,
    EventType,
    InvalidRequestError,
    QueueOptions,
    WhenFull,
)
from support.scripted_servicer import Abort, Hold, ScriptedServicer, nobody_at, retry_info, serving

QUICK = QueueOptions(linger_ms=1, initial_backoff_ms=1, max_backoff_ms=5, timeout_ms=20_000)


class Awaitable:
    """A blocking queue whose methods are awaited."""

    def __init__(self, target, options, queue_options, on_rejected=None):
        self.client = Client(target, options=options)
        self.queue = EventQueue(self.client, options=queue_options, on_rejected=on_rejected)

    @property
    def stats(self):
        return self.queue.stats

    async def put(self, event):
        return await asyncio.to_thread(self.queue.put, event)

    async def flush(self, timeout_s=30.0):
        return await asyncio.to_thread(self.queue.flush, timeout_s)

    async def close(self, timeout_s=30.0):
        closed = await asyncio.to_thread(self.queue.close, timeout_s)
        await asyncio.to_thread(self.client.close)
        return closed


class Async:
    def __init__(self, target, options, queue_options, on_rejected=None):
        self.client = AsyncClient(target, options=options)
        self.queue = AsyncEventQueue(self.client, options=queue_options, on_rejected=on_rejected)

    @property
    def stats(self):
        return self.queue.stats

    async def put(self, event):
        return await self.queue.put(event)

    async def flush(self, timeout_s=30.0):
        return await self.queue.flush(timeout_s)

    async def close(self, timeout_s=30.0):
        closed = await self.queue.close(timeout_s)
        await self.client.close()
        return closed


@pytest.fixture(params=[Async, Awaitable], ids=["async", "blocking"])
def queue_class(request):
    return request.param


def event(number: int) -> Event:
    return Event(type=EventType.PAGE_VIEW, user_id=f"u-{number % 7}", event_id=f"e-{number}")


def ids(servicer: ScriptedServicer) -> list[str]:
    return [event.event_id for request in servicer.requests("TrackEvents") for event in request.events]


async def test_events_are_sent_in_their_order_and_in_few_calls(queue_class, target, servicer, options):
    queue = queue_class(target, options, QueueOptions(linger_ms=5_000, timeout_ms=20_000))
    for number in range(300):
        assert await queue.put(event(number))
    assert await queue.flush()
    assert ids(servicer) == [f"e-{number}" for number in range(300)]
    assert len(servicer.received) <= 3
    assert (queue.stats.put, queue.stats.counted, queue.stats.waiting) == (300, 300, 0)
    assert await queue.close()


async def test_events_wait_while_no_server_takes_them_and_go_again_under_their_ids(
    queue_class, target, servicer, options, caplog
):
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 12)
    queue = queue_class(target, options, QUICK)
    with caplog.at_level(logging.INFO, "presage_client.queue"):
        for number in range(5):
            await queue.put(event(number))
        assert await queue.close()
    assert Counter(ids(servicer)).keys() == {f"e-{number}" for number in range(5)}
    assert ids(servicer)[-5:] == [f"e-{number}" for number in range(5)]
    assert (queue.stats.counted, queue.stats.dropped) == (5, 0)
    assert queue.stats.failed_calls >= 4
    # Once for the outage, and once for its end.
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_it_waits_for_as_long_as_the_server_says(queue_class, target, servicer, options):
    never_now = (("grpc-retry-pushback-ms", "-1"), retry_info(300))
    servicer.script.append(Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls", never_now))
    queue = queue_class(target, options, QUICK)
    began = time.monotonic()
    await queue.put(event(1))
    assert await queue.flush()
    assert time.monotonic() - began > 0.29
    assert await queue.close()


@pytest.mark.parametrize(
    ("when_full", "kept"),
    [
        (WhenFull.DROP_NEWEST, ["e-0", "e-1", "e-2", "e-3"]),
        (WhenFull.DROP_OLDEST, ["e-0", "e-7", "e-8", "e-9"]),
    ],
)
async def test_what_has_no_room_is_dropped_and_counted(queue_class, target, servicer, when_full, kept):
    held, options = Hold(), ClientOptions()
    servicer.script.append(held)
    queue = queue_class(target, options, QueueOptions(max_events=4, when_full=when_full, linger_ms=1, timeout_ms=500))
    await queue.put(event(0))
    assert await asyncio.to_thread(held.reached.wait, 10)
    taken = [await queue.put(event(number)) for number in range(1, 10)]
    assert taken.count(False) == (6 if when_full is WhenFull.DROP_NEWEST else 0)
    assert await queue.close()
    assert list(dict.fromkeys(ids(servicer))) == kept
    stats = queue.stats
    assert (stats.put, stats.counted, stats.dropped) == (10, 4, 6)


async def test_a_caller_waits_for_room_if_that_is_asked_for(queue_class, target, servicer, options):
    held = Hold()
    servicer.script.append(held)
    queue = queue_class(
        target,
        options,
        QueueOptions(max_events=1, when_full=WhenFull.WAIT, max_wait_ms=30_000, linger_ms=1, timeout_ms=500),
    )
    await queue.put(event(0))
    assert await asyncio.to_thread(held.reached.wait, 10)
    assert await queue.put(event(1))  # once the first call has failed, and was sent again
    assert await queue.close()
    assert (queue.stats.counted, queue.stats.dropped) == (2, 0)


async def test_a_rejected_event_is_told_and_does_not_hold_up_the_others(queue_class, target, servicer, options):
    told = []
    results = [scoring_service_pb2.TrackEventResult() for _ in range(3)]
    results[1].code, results[1].message = grpc.StatusCode.INVALID_ARGUMENT.value[0], "event.user_id: too long"
    servicer.script.append(scoring_service_pb2.TrackEventsResponse(results=results))
    queue = queue_class(
        target, options, QueueOptions(linger_ms=5_000, timeout_ms=20_000), lambda *about: told.append(about)
    )
    for number in range(3):
        await queue.put(event(number))
    assert await queue.close()
    assert [(about.event_id, type(error)) for about, error in told] == [("e-1", InvalidRequestError)]
    assert (queue.stats.counted, queue.stats.rejected) == (2, 1)


async def test_an_event_that_no_call_can_carry_is_found_and_the_others_are_counted(queue_class, servicer, options):
    told = []
    with serving(servicer, max_receive_bytes=2_000) as target:
        queue = queue_class(
            target, options, QueueOptions(linger_ms=5_000, timeout_ms=20_000), lambda *about: told.append(about)
        )
        for number in range(4):
            await queue.put(event(number))
        await queue.put(Event(type=EventType.LOGIN, user_id="u" * 3_000, event_id="large"))
        await queue.put(event(4))
        assert await queue.close()
    assert [about.event_id for about, _ in told] == ["large"]
    assert (queue.stats.counted, queue.stats.rejected, queue.stats.dropped) == (5, 1, 0)


async def test_an_event_that_is_never_counted_is_given_up_at_last(queue_class, target, servicer, options):
    told = []
    trouble = scoring_service_pb2.TrackEventResult(code=grpc.StatusCode.UNAVAILABLE.value[0], message="see the log")
    servicer.script.extend([scoring_service_pb2.TrackEventsResponse(results=[trouble])] * 3)
    few = QueueOptions(linger_ms=1, initial_backoff_ms=1, max_backoff_ms=2, timeout_ms=20_000, max_attempts=3)
    queue = queue_class(target, options, few, lambda *about: told.append(about))
    await queue.put(event(0))
    assert await queue.flush()
    await queue.put(event(1))
    assert await queue.close()
    assert [about.event_id for about, _ in told] == ["e-0"]
    assert (queue.stats.counted, queue.stats.rejected) == (1, 1)


@pytest.mark.parametrize("trouble", [ValueError("half written"), FileNotFoundError("token")])
async def test_events_wait_while_there_is_no_token(queue_class, target, servicer, trouble):
    tries = iter([trouble] * 30)
    rejected = []

    def token():
        for error in tries:
            raise error
        return "token"

    options = ClientOptions(timeout_ms=20_000, token=token)
    queue = queue_class(target, options, QUICK, on_rejected=lambda *one: rejected.append(one))
    for number in range(3):
        await queue.put(event(number))
    assert await queue.flush()
    assert (queue.stats.counted, queue.stats.rejected, rejected) == (3, 0, [])
    assert ids(servicer) == [event(number).event_id for number in range(3)]
    await queue.close()


async def test_closing_drops_what_cannot_be_sent_in_time_and_counts_it(queue_class, options):
    with nobody_at() as target:
        queue = queue_class(target, options, QUICK)
        for number in range(3):
            await queue.put(event(number))
        assert not await queue.flush(0.05)
        assert not await queue.close(0.1)
        assert await queue.put(event(3)) is False
        assert (queue.stats.put, queue.stats.dropped, queue.stats.waiting) == (4, 4, 0)


async def test_an_event_that_waits_for_long_keeps_the_time_at_which_it_was_put(
    queue_class, target, servicer, options, monkeypatch
):
    monkeypatch.setattr("presage_client._event_buffer._SOON_SECONDS", 0.2)
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 3)
    slow = QueueOptions(linger_ms=1, initial_backoff_ms=400, timeout_ms=20_000)
    queue = queue_class(target, options, slow)
    before = time.time_ns() // 1_000
    await queue.put(event(0))
    assert await queue.close()
    *early, late = [request.events[0].event_time_unix_micros for request in servicer.requests("TrackEvents")]
    assert set(early) == {0}
    assert before <= late < before + 300_000


async def test_an_event_of_the_wrong_type_is_refused_at_once(queue_class, target, options):
    queue = queue_class(target, options, QUICK)
    with pytest.raises(TypeError, match="event"):
        await queue.put("event")
    assert await queue.close()


@pytest.mark.parametrize(
    ("field", "value"), [("max_events", 0), ("linger_ms", -1), ("max_backoff_ms", 1), ("when_full", "never")]
)
def test_a_wrong_option_is_named(field, value):
    with pytest.raises(ValueError, match=field if field != "when_full" else "never"):
        QueueOptions(**{field: value})


def test_a_process_that_ends_sends_what_is_left(target, servicer):
    script = """
import sys
from presage_client import Client, ClientOptions, Event, EventQueue, EventType, QueueOptions
queue = EventQueue(Client(sys.argv[1]), options=QueueOptions(linger_ms=60_000, timeout_ms=20_000))
for number in range(10):
    queue.put(Event(type=EventType.LOGIN, user_id="u", event_id=f"e-{number}"))
"""
    subprocess.run([sys.executable, "-c", script, target], check=True, timeout=60)
    assert ids(servicer) == [f"e-{number}" for number in range(10)]
