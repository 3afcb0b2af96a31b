from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_client import Event, EventType, Item, _calls


def event(user: int, name_bytes: int = 0) -> Event:
    items = [Item(item_id="i" * name_bytes)] if name_bytes else []
    return Event(type=EventType.VIEW_ITEM, user_id=f"u-{user}", items=items)


# Few or many visitors, small and large events; runs, so that a hundred of one visitor come up.
RUNS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from([0, 10, 100_000, _calls.MAX_EVENTS_BYTES]), st.integers(1, 120)
    ).filter(lambda run: run[1] < 100_000 or run[2] < 4),
    max_size=12,
)


@given(RUNS)
def test_calls_hold_all_events_in_order_within_the_limits(runs):
    events = [event(user, name_bytes) for user, name_bytes, count in runs for _ in range(count)]

    requests = [call.request for call in _calls.track_many(events)]

    assert [sent.event_id for request in requests for sent in request.events] == [e.event_id for e in events]
    for request in requests:
        assert 1 <= len(request.events) <= _calls.MAX_EVENTS
        assert request.ByteSize() <= _calls.MAX_EVENTS_BYTES or len(request.events) == 1
        assert max(Counter(sent.user_id for sent in request.events).values()) <= _calls.MAX_EVENTS_OF_ONE_USER


@given(RUNS)
def test_calls_are_no_more_than_the_limits_ask_for(runs):
    requests = [
        call.request
        for call in _calls.track_many(event(user, name_bytes) for user, name_bytes, count in runs for _ in range(count))
    ]
    for request, following in pairwise(requests):
        first = following.events[0]
        of_user = sum(sent.user_id == first.user_id for sent in request.events)
        assert (
            len(request.events) == _calls.MAX_EVENTS
            # Each event is counted with five bytes of framing, where two to four are used.
            or request.ByteSize() + first.ByteSize() + 5 * (len(request.events) + 1) > _calls.MAX_EVENTS_BYTES
            or of_user == _calls.MAX_EVENTS_OF_ONE_USER
        )


def test_five_hundred_events_of_as_many_visitors_are_one_call():
    sizes = [len(call.request.events) for call in _calls.track_many(event(user) for user in range(1_001))]
    assert sizes == [500, 500, 1]


def test_events_are_taken_as_they_are_sent():
    taken = []

    def endless():
        while True:
            taken.append(event(len(taken)))
            yield taken[-1]

    calls = list(islice(_calls.track_many(endless()), 2))

    assert [len(call.request.events) for call in calls] == [500, 500]
    assert len(taken) == 1_001


@given(st.integers(0, 2_100))
def test_batches_hold_all_visitors_in_order(count):
    calls = _calls.score_batch((f"u-{n}" for n in range(count)), model="", as_of_unix_micros=0, include_features=False)
    sent = [[target.user_id for target in call.request.targets] for call in calls]
    assert [user for chunk in sent for user in chunk] == [f"u-{n}" for n in range(count)]
    assert all(len(chunk) == _calls.MAX_ROWS for chunk in sent[:-1])
    assert len(sent) == -(-count // _calls.MAX_ROWS)


@pytest.mark.parametrize(
    "call",
    [
        lambda moment: _calls.score(
            "u", session_id="", model="", as_of_unix_micros=moment, include_features=False, include_timings=False
        ),
        lambda moment: next(_calls.score_batch(["u"], model="", as_of_unix_micros=moment, include_features=False)),
        lambda moment: _calls.features("u", session_id="", feature_set="", as_of_unix_micros=moment),
    ],
    ids=["score", "score_batch", "features"],
)
def test_the_moment_to_score_at_may_be_a_datetime(call):
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert call(moment).request.as_of_unix_micros == 1_769_860_800_000_000
    assert call(5).request.as_of_unix_micros == 5
    with pytest.raises(ValueError, match=r"^as_of_unix_micros: expected a datetime with a time zone, got "):
        call(moment.replace(tzinfo=None))
    with pytest.raises(TypeError, match=r"^as_of_unix_micros: expected an integer of microseconds or a datetime"):
        call(1.5)
