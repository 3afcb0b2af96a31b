"""Events become state exactly once, whatever races for a visitor; and the stream has them in the order of the folds."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import (
    CONVERSION,
    MICROS,
    Event,
    State,
    decode_event,
    decode_state,
    encode_state,
    featurize,
    fold,
)
from presage_server.store.snapshot import REVISION_BYTES
from support.events import START_UNIX_MICROS
from support.pipelines import LocalCall, LocalPipeline, an_event, local_pipeline
from support.stores import LocalStore, opened

KINDS = (
    event_pb2.EVENT_TYPE_PAGE_VIEW,
    event_pb2.EVENT_TYPE_VIEW_ITEM,
    event_pb2.EVENT_TYPE_ADD_TO_CART,
    event_pb2.EVENT_TYPE_PURCHASE,
    event_pb2.EVENT_TYPE_REMOVE_FROM_CART,
)


def numbered(user_id: str, number: int) -> event_pb2.Event:
    """Make an event that differs from every other number's; some are late, so that their order matters."""
    chance = random.Random(number)
    late = chance.choice((0, 0, 90 * 60 * MICROS))
    item = event_pb2.Item(
        item_id=f"item-{chance.randrange(5)}",
        category="c",
        brand="b",
        price=chance.randrange(10**4) / 100,
        quantity=chance.randrange(1, 4),
    )
    return an_event(
        user_id,
        f"event-{number}",
        type=KINDS[number % len(KINDS)],
        event_time_unix_micros=START_UNIX_MICROS + number * MICROS - late,
        items=[item],
    )


def logged(store: LocalStore, user_id: str) -> list[Event]:
    """Return a visitor's events as the stream has them."""
    events = [decode_event(entry[b"event"]) for entry in store.stream(user_id) if b"event" in entry]
    return [event for event in events if event.user_id == user_id]


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
    return Counter(event.event_id for event in logged(store, user_id))


def run_interleaved(servers: list[LocalPipeline], calls: list[LocalCall], chance: random.Random) -> None:
    """Distribute calls over servers, and let these have turns in any order until all calls have ended."""
    waiting = list(calls)
    while any(call.code is None for call in calls):
        count = chance.randrange(20)
        arrived, waiting = waiting[:count], waiting[count:]
        chance.choice(servers).turn(*arrived)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_concurrent_events_of_one_visitor_count_once_each_and_replay_to_the_same_bytes(store, models, processes):
    """200 calls, every event sent twice: so many fit into what a state remembers. Each pipeline stands for a server of its own."""
    count, chance = 100, random.Random(processes)
    events = [numbered("u", number) for number in range(count)] * 2
    chance.shuffle(events)
    calls = [LocalCall(pb.TrackEventRequest(event=event)) for event in events]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(local_pipeline(stack.enter_context(opened(store)), models)) for _ in range(processes)
        ]
        run_interleaved(servers, calls, chance)
        outcomes = {
            outcome: sum(server.counted("presage_events_total", outcome=outcome) for server in servers)
            for outcome in ("applied", "duplicate", "refused")
        }
        conflicts = sum(server.counted("presage_store_conflicts_total") for server in servers)
    assert Counter(call.response.duplicate for call in calls) == {False: count, True: count}
    assert counted(store, "u") == {f"event-{number}": 1 for number in range(count)}
    assert store.blob("u")[REVISION_BYTES:] == encode_state(replayed(store, "u"))
    assert (conflicts > 0) == (processes > 1)
    assert outcomes == {"applied": count, "duplicate": count, "refused": 0}


@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32), processes=st.integers(1, 3), flushes=st.booleans())
def test_whatever_races_nothing_is_lost_or_doubled_and_the_stream_replays_to_the_states(
    shared_store, models, seed, processes, flushes
):
    """Batches and single events over shared visitors; scripts are flushed and connections cut meanwhile."""
    shared_store.redis.flushall()
    chance = random.Random(seed)
    users = [f"u{number}" for number in range(5)]
    events = [numbered(chance.choice(users), number) for number in range(150)]
    sent = events + chance.sample(events, 50)
    calls = []
    while sent:
        if chance.random() < 0.5:
            calls.append(LocalCall(pb.TrackEventRequest(event=sent.pop(0), score=chance.random() < 0.3)))
        else:
            size = chance.randrange(1, 30)
            calls.append(LocalCall(pb.TrackEventsRequest(events=sent[:size])))
            del sent[:size]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(local_pipeline(stack.enter_context(opened(shared_store)), models))
            for _ in range(processes)
        ]
        half = len(calls) // 2
        run_interleaved(servers, calls[:half], chance)
        if flushes:
            shared_store.redis.script_flush()
            shared_store.redis.client_kill_filter(_type="normal", skipme=True)
        run_interleaved(servers, calls[half:], chance)
    duplicates = Counter()
    for call in calls:
        results = call.response.results if call.method.endswith("Events") else [call.response]
        duplicates.update(result.duplicate for result in results)
    assert duplicates == {False: 150, True: 50}
    for user_id in {event.user_id for event in events}:
        assert counted(shared_store, user_id) == {event.event_id: 1 for event in events if event.user_id == user_id}
        assert shared_store.blob(user_id)[REVISION_BYTES:] == encode_state(replayed(shared_store, user_id))


@pytest.mark.parametrize("sizes", [[1] * 300, [300], [1, 70, 1, 128, 100], [200, 5, 95]])
def test_a_visitors_events_are_applied_in_the_order_of_their_arrival(store, models, sizes):
    """Also when there are more than one update takes, and when some arrive while an update is in flight."""
    events = [numbered("u", number) for number in range(300)]
    with opened(store) as view, local_pipeline(view, models) as server:
        calls, position = [], 0
        for size in sizes:
            part = events[position : position + size]
            position += size
            arrived = [LocalCall(pb.TrackEventRequest(event=event)) for event in part]
            calls += arrived
            server.turn(*arrived)
        server.finish(*calls)
    assert [event.event_id for event in logged(store, "u")] == [event.event_id for event in events]
    assert store.blob("u")[REVISION_BYTES:] == encode_state(replayed(store, "u"))


def test_each_event_is_scored_with_the_state_right_after_it(store, models):
    """Events of two visitors and a duplicate, all in one turn."""
    messages = [numbered("a", 1), numbered("b", 2), numbered("a", 1), numbered("a", 3)]
    with opened(store) as view, local_pipeline(view, models) as server:
        calls = [
            LocalCall(pb.TrackEventRequest(event=message, score=True, include_features=True)) for message in messages
        ]
        server.run(*calls)
        assert [call.response.duplicate for call in calls] == [False, False, True, False]
        a1, a3 = logged(store, "a")
        (b2,) = logged(store, "b")
        states = [fold(None, a1), fold(None, b2), fold(None, a1), fold(fold(None, a1), a3)]
        for call, message, state in zip(calls, messages, states, strict=True):
            expected = featurize(state, message.event_time_unix_micros, CONVERSION)
            np.testing.assert_array_equal(np.float32(call.response.prediction.features.values), expected)
        before = store.everything()
        again = [LocalCall(pb.TrackEventRequest(event=message)) for message in messages]
        server.run(*again)
        assert [call.response.duplicate for call in again] == [True] * 4
        assert before == store.everything()


def test_the_stored_state_is_the_folded_one(store, models):
    with opened(store) as view, local_pipeline(view, models) as server:
        server.answer(pb.TrackEventRequest(event=numbered("u", 1)))
    (event,) = logged(store, "u")
    assert decode_state(store.blob("u")[REVISION_BYTES:]) == fold(None, event)


def test_the_newer_releases_visitor_is_rejected_and_nobody_else(store, models):
    event = Event("old", 1, "new", START_UNIX_MICROS)
    newer = bytearray(encode_state(fold(None, event)))
    newer[4] = 99
    newer[:4] = crc32(newer[4:]).to_bytes(4, "big")
    blob = b"\0" * REVISION_BYTES + bytes(newer)
    store.set_blob("new", blob)
    with opened(store) as view, local_pipeline(view, models) as server:
        events = [numbered("old", 1), numbered("new", 2), numbered("old", 3), numbered("new", 4)]
        results = server.answer(pb.TrackEventsRequest(events=events)).results
        assert [result.code for result in results] == [0, 9, 0, 9]
        assert server.counted("presage_events_total", outcome="refused") == 2
    assert (store.blob("new"), store.stream("new"), store.aside("new")) == (blob, [], [])
    assert sorted(counted(store, "old")) == ["event-1", "event-3"]


def test_a_score_of_an_event_that_lost_a_race_is_that_of_the_final_state_and_counts_once(store, models):
    with (
        opened(store) as first_view,
        opened(store) as second_view,
        local_pipeline(first_view, models, share=1.0) as first,
        local_pipeline(second_view, models) as second,
    ):
        first.answer(pb.TrackEventRequest(event=numbered("u", 1)))
        second.answer(pb.TrackEventRequest(event=numbered("u", 2)))  # the first one's memory is out of date by now
        request = pb.TrackEventRequest(event=numbered("u", 3), score=True, include_features=True)
        prediction = first.answer(request).prediction
        assert first.counted("presage_store_conflicts_total") == 1
        state = decode_state(store.blob("u")[REVISION_BYTES:])
        expected = featurize(state, request.event.event_time_unix_micros, CONVERSION)
        np.testing.assert_array_equal(np.float32(prediction.features.values), expected)
        assert first.counted("presage_scores_total", history="known") == 1
        while first.link.pending:
            first.turn()
    vectors = [entry[b"vector"] for entry in store.stream("u") if b"vector" in entry]
    assert len(vectors) == 1, "expected the vector that was served, and no other"
