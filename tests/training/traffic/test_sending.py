from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from training.logs import act, shop

from presage.v1 import event_pb2, scoring_service_pb2
from presage_client import AccessDeniedError, AsyncClient, PresageError, UnavailableError
from presage_client._convert import event_to_proto
from presage_featurizer import MICROS, Device, Event, EventType, Item, Shown, featurize, money_micros
from presage_featurizer.events import ATTRIBUTE_NAME
from presage_server.rpc.decoding import decode_event
from presage_training.errors import LogFormatError
from presage_training.replaying.replay import Replay
from presage_training.traffic import sending
from presage_training.traffic.sending import SendStats, client_event, send_log
from support.running_server import GENEROUS_SECONDS
from support.scripted_servicer import Abort, Hold, nobody_at

DOWN = Abort(grpc.StatusCode.UNAVAILABLE, "down")
CLIENT_ATTEMPTS = 3
"""How often the client itself tries a call before it gives up."""


@pytest.fixture
def at_once(monkeypatch):
    """Retries follow at once."""
    monkeypatch.setattr(sending, "_RETRY_SECONDS", 0.001)


async def send(events, target, *, lanes=4, on_progress=lambda _: None) -> SendStats:
    return await send_log(events, target, lanes=lanes, timeout_ms=20_000, on_progress=on_progress)


def ids_by_user(events) -> dict[str, list[str]]:
    ids = defaultdict(list)
    for event in events:
        ids[event.user_id].append(event.event_id)
    return dict(ids)


def received(servicer) -> list[event_pb2.Event]:
    return [event for request in servicer.requests("TrackEvents") for event in request.events]


def answered(events_count) -> scoring_service_pb2.TrackEventsResponse:
    return scoring_service_pb2.TrackEventsResponse(results=[scoring_service_pb2.TrackEventResult()] * events_count)


async def test_a_sent_log_gives_the_vectors_of_its_replay(served):
    events = shop(visitors=60)
    shown = []
    stats = await send(events, served.address, on_progress=lambda stats: shown.append(stats.events))
    replay = Replay()
    for event in events:
        replay.fold(event)

    assert (stats.counted, stats.duplicates, stats.rejected.total(), stats.visitors) == (len(events), 0, 0, 60)
    assert shown == sorted(shown)
    assert shown[-1] == len(events)
    as_of = events[-1].event_time_unix_micros
    async with AsyncClient(served.address) as client:
        for user_id, state in replay.states.items():
            live = await client.features(user_id, as_of_unix_micros=as_of, timeout_ms=20_000)
            offline = featurize(state, as_of)
            assert offline.tobytes() == np.array(list(live.values()), dtype=np.float32).tobytes()


async def test_a_log_sent_again_counts_once(served):
    events = [act(EventType.VIEW_ITEM, minute, user_id=user) for minute in range(64) for user in ("ann", "bob")]
    await send(events, served.address)
    again = await send(events, served.address)

    assert (again.counted, again.duplicates) == (0, len(events))


@pytest.mark.parametrize("lanes", [1, 3, 16])
async def test_each_visitors_events_arrive_in_order(servicer, target, lanes):
    events = shop(visitors=80)
    stats = await send(events, target, lanes=lanes)

    assert ids_by_user(events) == ids_by_user(received(servicer))
    assert (stats.counted, stats.events) == (len(events), len(events))


async def test_refusals_are_counted_by_reason_wherever_they_stand_in_a_batch(served):
    good = act(user_id="ann")
    malformed = [replace(act(minutes=minute, user_id="ann"), country="gb", event_id=f"m{minute}") for minute in (1, 2)]
    nobody = replace(act(minutes=3), user_id="")
    stats = await send([*malformed, good, nobody], served.address, lanes=1)

    assert stats.counted == 1
    assert sorted(stats.rejected.values()) == [1, 2]
    of_country, of_user = sorted(stats.rejected)
    assert of_country.startswith("events.country: expected an ISO 3166-1")
    assert of_user.startswith("events.user_id: expected 1 to 256 bytes")
    assert stats.rejected_examples[of_country].startswith("m1: events[0].country: ")
    assert stats.rejected_examples[of_country].endswith("got 'gb'")


async def test_an_unavailable_server_is_tried_again_and_nothing_counts_twice(servicer, target, at_once):
    events = [act(minutes=minute) for minute in range(150)]
    # The client splits a visitor's batch into calls of 64: the second one fails for longer than the client tries.
    servicer.script.extend([answered(64), *[DOWN] * (CLIENT_ATTEMPTS * 2)])
    stats = await send(events, target)

    assert (stats.counted, stats.duplicates, stats.rejected.total()) == (150, 0, 0)
    sizes = [len(request.events) for request in servicer.requests("TrackEvents")]
    assert sizes == [64, *[64] * (CLIENT_ATTEMPTS * 2), 64, 22]
    first_ids = [request.events[0].event_id for request in servicer.requests("TrackEvents")]
    assert Counter(first_ids) == {events[0].event_id: 1, events[64].event_id: 7, events[128].event_id: 1}


async def test_a_server_that_stays_away_raises_what_the_client_raised(at_once):
    with nobody_at() as target, pytest.raises(UnavailableError, match=target):
        await send([act(user_id=f"visitor-{number}") for number in range(50)], target)


async def test_a_call_that_is_refused_as_a_whole_is_not_tried_again(servicer, target):
    servicer.script.extend([Abort(grpc.StatusCode.PERMISSION_DENIED, "not you")] * 50)
    with pytest.raises(AccessDeniedError, match="not you") as caught:
        await send([act(user_id=f"visitor-{number}") for number in range(50)], target, lanes=2)

    assert isinstance(caught.value, PresageError)
    assert len(servicer.received) <= 2


async def test_a_failing_lane_ends_the_reading(servicer, target):
    read = []
    servicer.script.extend([Abort(grpc.StatusCode.PERMISSION_DENIED, "not you")] * 50)
    with pytest.raises(AccessDeniedError):
        await send((read.append(event) or event for event in long_log()), target)

    assert len(read) < 20_000


async def test_what_the_reader_raises_comes_out_as_it_is(servicer, target):
    def damaged_log() -> Iterator[Event]:
        yield from (act(minutes=minute) for minute in range(700))
        raise LogFormatError(Path("shop.jsonl.gz"), "ends too soon", advice="Write it again.")

    with pytest.raises(LogFormatError, match="ends too soon"):
        await send(damaged_log(), target)


def long_log() -> Iterator[Event]:
    return (act(minutes=minute) for minute in range(20_000))


async def test_a_slow_server_holds_up_the_reading(servicer, target):
    hold = Hold()
    servicer.script.append(hold)
    read = []
    sending_task = asyncio.create_task(send((read.append(event) or event for event in long_log()), target))
    reached = await asyncio.to_thread(hold.reached.wait, GENEROUS_SECONDS)
    sending_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending_task

    assert reached
    # One batch in flight, two waiting in the lane, one more to be put there.
    assert len(read) <= 4 * 500
    assert hold.ended.wait(GENEROUS_SECONDS)


async def test_an_empty_log_is_sent(target):
    stats = await send([], target)

    assert (stats.events, stats.visitors, stats.events_per_second) == (0, 0, 0.0)


@given(price_micros=st.integers(0, 10**15))
@example(10**15)
@example(10**15 - 1)
def test_prices_survive_the_wire_exactly(price_micros):
    event = Event("e", EventType.VIEW_ITEM, "u", 1, items=(Item("i", price_micros=price_micros),))
    [item] = client_event(event).items

    assert money_micros(price_micros / MICROS) == price_micros
    assert money_micros(item.price) == price_micros


texts = st.text(st.characters(codec="utf-8"), max_size=8)
ids = texts.filter(bool)
shown = st.none() | st.builds(Shown, st.integers(1, 10_000), texts, st.floats(0, 1))


@given(
    event=st.builds(
        Event,
        event_id=ids,
        type=st.sampled_from([event_type for event_type in EventType if event_type]),
        user_id=ids,
        event_time_unix_micros=st.integers(10**14, 10**15),
        session_id=texts,
        items=st.lists(
            st.builds(Item, ids, texts, texts, st.integers(0, 10**12), st.integers(1, 10**5), shown), max_size=3
        ).map(tuple),
        country=st.sampled_from(["", "GB"]),
        device=st.sampled_from(Device),
        order_id=texts,
        value_micros=st.none() | st.integers(0, 2 * 10**15),
        currency=st.sampled_from(["", "EUR"]),
        numbers=st.dictionaries(st.from_regex(ATTRIBUTE_NAME, fullmatch=True), st.floats(-1e12, 1e12), max_size=3),
        labels=st.dictionaries(st.from_regex(ATTRIBUTE_NAME, fullmatch=True), texts, max_size=3),
    )
)
def test_the_server_decodes_the_event_that_was_sent(event):
    message = event_to_proto(client_event(event))

    assert event == decode_event(message, now_unix_micros=10**15, new_id=str)
