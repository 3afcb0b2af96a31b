from __future__ import annotations

import pytest

from presage_featurizer import EventType, featurize
from presage_featurizer.feature_set import FeatureSet
from presage_featurizer.sessions import current_session
from support.events import DAY_MICROS, MINUTE_MICROS, at, event, fold_all

ONE_MICRO = 1 / MINUTE_MICROS
DAY = DAY_MICROS / MINUTE_MICROS
BOUNCES = FeatureSet(name="bounces", features=("bounce_rate",))


def open_sessions(state):
    """Answer with (id, events, start, end) of each, in minutes."""
    return [
        (session.session_id, session.event_count, minutes(session.start_unix_micros), minutes(session.last_unix_micros))
        for session in state.sessions
    ]


def minutes(unix_micros):
    return (unix_micros - at(0)) / MINUTE_MICROS


def bounce_rate(state, now_minutes):
    return featurize(state, at(now_minutes), BOUNCES).item()


def test_thirty_idle_minutes_are_one_session():
    state = fold_all([event(minutes=0), event(minutes=30), event(minutes=60)])
    assert open_sessions(state) == [("", 3, 0, 60)]
    assert state.closed_sessions == 0


def test_one_microsecond_more_ends_it():
    state = fold_all([event(minutes=0), event(minutes=30 + ONE_MICRO)])
    assert [session.start_unix_micros for session in state.sessions] == [at(30) + 1]
    assert (state.closed_sessions, state.bounced_sessions) == (1, 1)


def test_only_a_single_event_bounces():
    state = fold_all([event(minutes=0), event(minutes=1), event(minutes=100), event(minutes=200)])
    assert (state.closed_sessions, state.bounced_sessions) == (2, 1)


def test_named_sessions_interleave():
    state = fold_all(
        [
            event(minutes=0, session_id="a"),
            event(minutes=1, session_id="b"),
            event(minutes=2),
            event(minutes=3, session_id="a"),
        ]
    )
    assert open_sessions(state) == [("b", 1, 1, 1), ("", 1, 2, 2), ("a", 2, 0, 3)]


def test_a_named_session_goes_on_when_its_id_comes_back_within_a_day():
    state = fold_all([event(minutes=0, session_id="a"), event(minutes=DAY, session_id="a")])
    assert open_sessions(state) == [("a", 2, 0, DAY)]
    assert state.closed_sessions == 0


def test_a_named_session_is_over_after_a_day():
    state = fold_all([event(minutes=0, session_id="a"), event(minutes=DAY + ONE_MICRO, session_id="a")])
    assert [session.event_count for session in state.sessions] == [1]
    assert (state.closed_sessions, state.bounced_sessions) == (1, 1)


def test_a_fifth_session_ends_the_one_silent_for_longest():
    state = fold_all(
        [
            event(minutes=0, session_id="a"),
            event(minutes=1, session_id="b"),
            event(minutes=2, session_id="c"),
            event(minutes=3, session_id="d"),
            event(minutes=4, session_id="a"),
            event(minutes=5, session_id="e"),
        ]
    )
    assert [session.session_id for session in state.sessions] == ["c", "d", "a", "e"]
    assert (state.closed_sessions, state.bounced_sessions) == (1, 1)


def test_a_late_newcomer_older_than_all_that_are_open_begins_nothing():
    """Its end would be the first: the sessions that are alive stay."""
    state = fold_all(event(minutes=minute, session_id=session_id) for minute, session_id in enumerate("abcd", start=10))
    before = open_sessions(state)
    late = event(EventType.PURCHASE, 10 - ONE_MICRO, session_id="late", value=5.0)
    state = fold_all([late], state)
    assert open_sessions(state) == before
    assert (state.closed_sessions, state.bounced_sessions, state.orders, state.spent_micros) == (0, 0, 1, 5_000_000)


def test_a_late_newcomer_no_older_than_the_one_silent_longest_takes_its_place():
    state = fold_all(event(minutes=minute, session_id=session_id) for minute, session_id in enumerate("abcd", start=10))
    state = fold_all([event(minutes=10, session_id="late")], state)
    assert [session.session_id for session in state.sessions] == ["b", "c", "d", "late"]
    assert (state.closed_sessions, state.bounced_sessions) == (1, 1)


def test_of_sessions_silent_equally_long_the_first_to_fall_silent_ends():
    state = fold_all(event(minutes=0, session_id=session_id) for session_id in "abcde")
    assert [session.session_id for session in state.sessions] == ["b", "c", "d", "e"]


def test_a_late_event_within_its_session_is_counted_there():
    state = fold_all([event(minutes=0), event(minutes=20), event(minutes=10)])
    assert open_sessions(state) == [("", 3, 0, 20)]


@pytest.mark.parametrize(("session_id", "limit"), [("", 30), ("a", DAY)])
def test_an_event_from_before_the_start_moves_the_start_within_the_idle_limit(session_id, limit):
    state = fold_all([event(minutes=0, session_id=session_id), event(minutes=-limit, session_id=session_id)])
    assert open_sessions(state) == [(session_id, 2, -limit, 0)]


@pytest.mark.parametrize(("session_id", "limit"), [("", 30), ("a", DAY)])
def test_an_event_from_long_before_the_start_belongs_to_no_open_session(session_id, limit):
    late = event(EventType.PURCHASE, -limit - ONE_MICRO, session_id=session_id, value=5.0)
    state = fold_all([event(minutes=0, session_id=session_id), late])
    assert open_sessions(state) == [(session_id, 1, 0, 0)]
    assert (state.closed_sessions, state.orders, state.spent_micros) == (0, 1, 5_000_000)


@pytest.mark.parametrize(("session_id", "limit"), [("", 30), ("a", DAY)])
def test_a_late_event_begins_a_session_unless_that_would_be_over(session_id, limit):
    newest = event(minutes=0, session_id="other")
    in_time = fold_all([newest, event(minutes=-limit, session_id=session_id)])
    too_late = fold_all([newest, event(minutes=-limit - ONE_MICRO, session_id=session_id)])
    assert open_sessions(in_time) == [("other", 1, 0, 0), (session_id, 1, -limit, -limit)]
    assert open_sessions(too_late) == [("other", 1, 0, 0)]


def test_the_newest_event_is_remembered_by_type_with_the_gaps_between_events():
    state = fold_all([event(minutes=0), event(EventType.SEARCH, 20), event(EventType.LOGIN, 25)])
    (session,) = state.sessions
    assert (session.last_type, session.events) == (EventType.LOGIN, {1: 1, 5: 1, 21: 1})
    assert (session.last_gap_micros, session.longest_gap_micros) == (5 * MINUTE_MICROS, 20 * MINUTE_MICROS)


@pytest.mark.parametrize("minutes", [-5, 10])
def test_a_late_event_is_counted_and_changes_neither_the_last_type_nor_the_gaps(minutes):
    state = fold_all([event(minutes=0), event(EventType.SEARCH, 20), event(EventType.LOGIN, minutes)])
    (session,) = state.sessions
    assert (session.last_type, session.events) == (EventType.SEARCH, {1: 1, 5: 1, 21: 1})
    assert (session.last_gap_micros, session.longest_gap_micros) == (20 * MINUTE_MICROS, 20 * MINUTE_MICROS)


def test_of_two_events_at_the_same_time_the_one_that_came_last_is_the_newest():
    state = fold_all([event(minutes=0), event(EventType.SEARCH, 0)])
    assert (state.sessions[0].last_type, state.sessions[0].longest_gap_micros) == (EventType.SEARCH, 0)


def test_a_refund_belongs_to_no_session_but_its_time_ends_those_that_are_over():
    state = fold_all([event(minutes=0), event(minutes=1), event(EventType.REFUND, 20, value=1.0)])
    assert open_sessions(state) == [("", 2, 0, 1)]

    state = fold_all([event(EventType.REFUND, 32, value=1.0)], state)

    assert open_sessions(state) == []
    assert (state.closed_sessions, state.bounced_sessions) == (1, 0)


def test_a_refund_alone_opens_no_session():
    assert open_sessions(fold_all([event(EventType.REFUND, 0, session_id="a")])) == []


def test_bounce_rate_counts_idle_sessions_as_ended():
    state = fold_all([event(minutes=0), event(minutes=1), event(minutes=100)])
    assert state.closed_sessions == 1
    assert bounce_rate(state, 130) == 0.0
    assert bounce_rate(state, 130 + ONE_MICRO) == 0.5


def test_bounce_rate_does_not_change_when_the_next_event_ends_the_idle_session():
    state = fold_all([event(minutes=0)])
    assert bounce_rate(state, 31) == 1.0
    assert bounce_rate(fold_all([event(minutes=31)], state), 31) == 1.0


def test_bounce_rate_leaves_the_current_session_out():
    state = fold_all([event(minutes=0, session_id="a"), event(minutes=40, session_id="b")])
    assert featurize(state, at(40), BOUNCES, session_id="a").item() == 0.0
    assert featurize(state, at(40), BOUNCES, session_id="b").item() == 1.0


def current_id(state, now_minutes, session_id=""):
    session = current_session(state, at(now_minutes), session_id)
    return None if session is None else session.session_id


def test_the_current_session_is_the_most_recent_by_event_time():
    state = fold_all([event(minutes=0, session_id="a"), event(minutes=5), event(minutes=4, session_id="a")])
    assert current_id(state, 6) == ""


def test_the_current_session_is_the_last_that_changed_when_the_clock_ties():
    a, unnamed = event(minutes=0, session_id="a"), event(minutes=0)
    assert current_id(fold_all([a, unnamed]), 0) == ""
    assert current_id(fold_all([unnamed, a]), 0) == "a"


def test_an_idle_session_is_current_only_by_its_name():
    state = fold_all([event(minutes=0, session_id="a")])
    assert current_id(state, 30) == "a"
    assert current_id(state, 30 + ONE_MICRO) is None
    assert current_id(state, 30 + ONE_MICRO, "a") == "a"


def test_a_named_session_that_is_over_is_not_current():
    state = fold_all([event(minutes=0, session_id="a")])
    assert current_id(state, DAY, "a") == "a"
    assert current_id(state, DAY + ONE_MICRO, "a") is None


def test_an_unknown_name_finds_no_session():
    assert current_id(fold_all([event(minutes=0)]), 0, "a") is None
