"""Events become state exactly once, whatever races for a visitor; and the stream tells in which order."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from contextlib import AsyncExitStack
from zlib import crc32

import grpc
import pytest

from presage_featurizer import MICROS, Event, EventType, Item, State, decode_event, decode_state, encode_state, fold
from presage_server.errors import ContendedVisitorError, StateTooNewError, StoreUnavailableError
from presage_server.store.snapshot import REVISION_BYTES, Change, Snapshot, read_snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.tracker import Tracked, Tracker
from support.events import START_UNIX_MICROS
from support.stores import LocalStore, opened

KINDS = (
    EventType.PAGE_VIEW,
    EventType.VIEW_ITEM,
    EventType.ADD_TO_CART,
    EventType.PURCHASE,
    EventType.REMOVE_FROM_CART,
)


def an_event(user_id: str, number: int) -> Event:
    """Make an event that differs from every other number's; some are late, so that their order matters."""
    chance = random.Random(number)
    return Event(
        event_id=f"event-{number}",
        type=KINDS[number % len(KINDS)],
        user_id=user_id,
        event_time_unix_micros=START_UNIX_MICROS + number * MICROS - chance.choice((0, 0, 90 * 60 * MICROS)),
        items=(Item(f"item-{chance.randrange(5)}", "c", "b", chance.randrange(10**8), chance.randrange(1, 4)),),
    )


def replayed(store: LocalStore, user_id: str) -> State:
    """Fold the visitor's events again, from the stream."""
    state = None
    for entry in store.stream(user_id):
        event = decode_event(entry[b"event"])
        if event.user_id == user_id:
            state = fold(None if entry.get(b"fresh") else state, event)
    assert state is not None
    return state


def counted(store: LocalStore, user_id: str) -> Counter[str]:
    """Count how often each of the visitor's events is in the stream."""
    events = [decode_event(entry[b"event"]) for entry in store.stream(user_id)]
    return Counter(event.event_id for event in events if event.user_id == user_id)


@pytest.mark.parametrize("processes", [1, 2, 4])
async def test_concurrent_events_of_one_visitor_count_once_each_and_replay_to_the_same_bytes(store, processes):
    """200 calls, every event sent twice: so many fit into what a state remembers. Each tracker stands for a server of its own."""
    count = 100
    events = [an_event("u", number) for number in range(count)] * 2
    random.Random(processes).shuffle(events)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        trackers = []
        for _ in range(processes):
            redis_store = await stack.enter_async_context(opened(store))
            trackers.append(Tracker(redis_store, redis_store, metrics))
        calls = [tracker.track([event]) for tracker, event in zip(itertools.cycle(trackers), events, strict=False)]
        outcomes = [outcome for (outcome,) in await asyncio.gather(*calls)]
    assert Counter(outcome.duplicate for outcome in outcomes) == {False: count, True: count}
    assert counted(store, "u") == {f"event-{number}": 1 for number in range(count)}
    assert store.blob("u")[REVISION_BYTES:] == encode_state(replayed(store, "u"))
    conflicts = metrics.registry.get_sample_value("presage_store_conflicts_total")
    assert (conflicts > 0) == (processes > 1)
    outcome_counts = {
        outcome: metrics.registry.get_sample_value("presage_events_total", {"outcome": outcome})
        for outcome in ("applied", "duplicate", "refused")
    }
    assert outcome_counts == {"applied": count, "duplicate": count, "refused": 0}


async def test_concurrent_batches_over_shared_visitors_lose_and_double_nothing(store):
    users = [f"u{number}" for number in range(5)]
    chance = random.Random(3)
    events = [an_event(chance.choice(users), number) for number in range(300)]
    sent = events + chance.sample(events, 100)
    async with opened(store) as first, opened(store) as second:
        trackers = [Tracker(redis_store, redis_store, Metrics()) for redis_store in (first, second)]
        batches = [sent[start : start + 20] for start in range(0, len(sent), 20)]
        results = await asyncio.gather(*(trackers[n % 2].track(batch) for n, batch in enumerate(batches)))
    assert Counter(one.duplicate for result in results for one in result) == {False: 300, True: 100}
    for user_id in users:
        assert counted(store, user_id) == {event.event_id: 1 for event in events if event.user_id == user_id}
        assert store.blob(user_id)[REVISION_BYTES:] == encode_state(replayed(store, user_id))


async def test_a_batch_answers_for_each_event_with_the_state_right_after_it(store):
    events = [an_event("a", 1), an_event("b", 2), an_event("a", 1), an_event("a", 3)]
    async with opened(store) as redis_store:
        tracker = Tracker(redis_store, redis_store, Metrics())
        outcomes = await tracker.track(events)
        assert [outcome.duplicate for outcome in outcomes] == [False, False, True, False]
        first = fold(None, events[0])
        assert [outcome.state for outcome in outcomes] == [first, fold(None, events[1]), first, fold(first, events[3])]
        before = store.everything()
        assert [outcome.duplicate for outcome in await tracker.track(events)] == [True] * 4
        assert before == store.everything()


async def test_the_newer_releases_visitor_is_refused_and_no_one_else(store):
    newer = bytearray(encode_state(fold(None, an_event("new", 0))))
    newer[4] = 99
    newer[:4] = crc32(newer[4:]).to_bytes(4, "big")
    blob = b"\0" * REVISION_BYTES + bytes(newer)
    store.set_blob("new", blob)
    metrics = Metrics()
    async with opened(store) as redis_store:
        events = [an_event("old", 1), an_event("new", 2), an_event("old", 3), an_event("new", 4)]
        outcomes = await Tracker(redis_store, redis_store, metrics).track(events)
    assert [type(outcome) for outcome in outcomes] == [Tracked, StateTooNewError, Tracked, StateTooNewError]
    assert outcomes[1].code == grpc.StatusCode.FAILED_PRECONDITION
    assert (store.blob("new"), store.stream("new"), store.aside("new")) == (blob, [], [])
    assert sorted(counted(store, "old")) == ["event-1", "event-3"]
    assert metrics.registry.get_sample_value("presage_events_total", {"outcome": "refused"}) == 2


class AlwaysLate:
    """A store in which another server is always faster."""

    def __init__(self) -> None:
        self.commits = 0

    async def read(self, user_ids: list[str]) -> list[Snapshot]:
        return [Snapshot(None, b"")] * len(user_ids)

    async def commit(self, changes: list[Change]) -> list[Snapshot | None]:
        self.commits += 1
        return [read_snapshot(change.blob(self.commits, b"wr")) for change in changes]


async def test_a_visitor_who_changes_at_every_try_is_given_up():
    """Every try meets a state with the event in it, unless the event is another each time: so the store forgets."""

    class Forgetful(AlwaysLate):
        async def commit(self, changes: list[Change]) -> list[Snapshot | None]:
            await super().commit(changes)
            return [Snapshot(None, b"")] * len(changes)

    late = Forgetful()
    (outcome,) = await Tracker(late, late, Metrics()).track([an_event("u", 1)])
    assert isinstance(outcome, ContendedVisitorError)
    assert late.commits == 100


async def test_an_event_that_another_server_counted_meanwhile_is_a_duplicate():
    late = AlwaysLate()
    (outcome,) = await Tracker(late, late, Metrics()).track([an_event("u", 1)])
    assert (outcome.duplicate, outcome.state) == (True, fold(None, an_event("u", 1)))


async def test_a_call_that_fails_or_is_cancelled_frees_its_visitors():
    class Broken(AlwaysLate):
        async def read(self, _user_ids: list[str]) -> list[Snapshot]:
            if self.commits == 0:
                raise StoreUnavailableError("down")
            await asyncio.sleep(3_600)
            return []

    broken = Broken()
    tracker = Tracker(broken, broken, Metrics())
    with pytest.raises(StoreUnavailableError):
        await tracker.track([an_event("u", 1)])
    broken.commits = 1
    tasks = [asyncio.create_task(tracker.track([an_event("u", 1)])) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(tracker._queues) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(tracker._queues) == 0


async def test_the_stored_state_is_the_folded_one(store):
    async with opened(store) as redis_store:
        (outcome,) = await Tracker(redis_store, redis_store, Metrics()).track([an_event("u", 1)])
    assert decode_state(store.blob("u")[REVISION_BYTES:]) == outcome.state
