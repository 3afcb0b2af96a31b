from __future__ import annotations

from collections import Counter, defaultdict

import grpc
import pytest
from training.logs import act, shop

from presage_featurizer import EventType
from presage_training.errors import TrainingError
from presage_training.traffic.playing import PlaybackStats, Scenario, choose_watched, play
from support.scripted_servicer import Abort


@pytest.fixture
def scenario():
    events = shop(visitors=30, days=7)
    return Scenario(events, choose_watched(events, 4))


def test_the_watched_are_active_and_half_of_them_buy():
    events = shop(visitors=200)
    watched = choose_watched(events, 6)
    activity = Counter(event.user_id for event in events)
    buyers = {event.user_id for event in events if event.type is EventType.PURCHASE}

    assert len(set(watched)) == 6
    assert sum(user_id in buyers for user_id in watched) == 3
    assert min(activity[user_id] for user_id in watched) >= 8
    assert choose_watched(events, 6) == watched


def test_without_buyers_others_are_watched():
    events = [act(minutes=minute, user_id=user_id) for minute in range(8) for user_id in ("ann", "bob")]

    assert choose_watched(events, 6) == ["ann", "bob"]


async def test_every_event_is_played_in_its_visitors_order(servicer, target, scenario):
    shown = []
    stats = await play(scenario, target, seconds=0.3, on_progress=lambda stats: shown.append(stats.events))

    expected, actual = defaultdict(list), defaultdict(list)
    for event in scenario.events:
        expected[event.user_id].append(event.event_id)
    for request in servicer.requests("TrackEvent"):
        actual[request.event.user_id].append(request.event.event_id)
    assert expected == actual
    assert stats.events == len(scenario.events)
    assert stats.visitors == {event.user_id for event in scenario.events}
    assert stats.purchases == sum(event.type is EventType.PURCHASE for event in scenario.events)
    assert shown == sorted(shown)


async def test_visitors_are_known_by_who_has_come_whatever_their_events_are_called(servicer, target):
    """Two sessions of one visitor, and another one: nothing in the events' ids tells which is the first."""
    events = [
        act(minutes=minute, user_id=user_id, event_id=event_id)
        for minute, (user_id, event_id) in enumerate(
            [("ann", "x"), ("ann", "s-00001"), ("bob", "s-00002"), ("ann", "t-00001"), ("bob", "y")]
        )
    ]
    stats = await play(Scenario(events, ["ann", "bob"]), target, seconds=0.05, on_progress=lambda _: None)

    assert stats.visitors == {"ann", "bob"}
    assert sorted(request.user_id for request in servicer.requests("Score")) == ["ann", "bob"]


async def test_each_visitor_is_scored_before_the_first_event(servicer, target, scenario):
    await play(scenario, target, seconds=0.1, on_progress=lambda _: None)

    first = {}
    for call in servicer.received:
        user_id = call.request.user_id if call.method == "Score" else call.request.event.user_id
        first.setdefault(user_id, call.method)
    assert first == dict.fromkeys({event.user_id for event in scenario.events}, "Score")


async def test_the_watched_are_scored_with_each_of_their_events(servicer, target, scenario):
    stats = await play(scenario, target, seconds=0.1, on_progress=lambda _: None)

    with_score = {request.event.event_id for request in servicer.requests("TrackEvent") if request.score}
    assert with_score == {event.event_id for event in scenario.events if event.user_id in scenario.watched}
    assert stats.scores == len(servicer.requests("Score")) + len(with_score)
    assert (len(stats.track_micros), len(stats.score_micros)) == (
        stats.events - len(with_score),
        len(servicer.requests("Score")),
    )
    assert set(stats.watched) == set(scenario.watched)
    for user_id, seen in stats.watched.items():
        visits = list(dict.fromkeys(event.session_id for event in scenario.events if event.user_id == user_id))
        last_visit = [event for event in scenario.events if event.session_id == visits[-1]]
        assert (seen.session, seen.session_id) == (len(visits), visits[-1])
        assert len(seen.scores) == len(last_visit)
        assert seen.bought == any(event.type is EventType.PURCHASE for event in last_visit)
        assert seen.last_event == last_visit[-1].type.name.lower().replace("_", " ")


async def test_a_play_takes_the_time_it_is_given(target, scenario):
    stats = await play(scenario, target, seconds=0.5, on_progress=lambda _: None)

    # The last event is due right before the end.
    assert stats.seconds > 0.4


async def test_a_call_that_fails_ends_the_play(servicer, target, scenario):
    servicer.script.extend([Abort(grpc.StatusCode.INTERNAL, "out of order")] * 50)
    shown: list[PlaybackStats] = []
    with pytest.raises(TrainingError, match=r"a call failed: .* out of order"):
        await play(scenario, target, seconds=0.1, on_progress=shown.append)

    assert not shown
