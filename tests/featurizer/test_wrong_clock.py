"""States that a server with a wrong clock has dated in the future."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import BEHAVIOR, EventType, encode_state, featurize, fold
from presage_featurizer.events import MICROS
from presage_featurizer.fold import fold_in_place
from presage_featurizer.item_history import HISTORY_TIME_SECONDS, history_times, newest_item_score
from presage_featurizer.state import TimedValue, copy_state
from presage_featurizer.wrong_clock import MAX_AHEAD_MICROS, move_back, with_server_clock
from support.events import DAY_MICROS, MINUTE_MICROS, SHOE, any_log, at, event, fold_all

DAY_MINUTES = 24 * 60


def fold_at(state, each, clock_unix_micros):
    """Fold as a server does whose clock shows this."""
    return fold(state, with_server_clock(each, state, clock_unix_micros))


@pytest.mark.parametrize("session_id", ["", "tab"])
def test_one_event_a_day_ahead_does_not_freeze_the_sessions(session_id):
    ahead = event(minutes=DAY_MINUTES + 31, session_id=session_id)
    state = fold_all([event(minutes=0, session_id=session_id), ahead])
    frozen = unfrozen = state
    for minute in range(1, 11):
        each = event(minutes=minute, session_id=session_id or "other")
        frozen, unfrozen = fold(frozen, each), fold_at(unfrozen, each, at(minute))
        each = event(EventType.VIEW_ITEM, minute, SHOE)
        frozen, unfrozen = fold(frozen, each), fold_at(unfrozen, each, at(minute))
    assert [session.event_count for session in frozen.sessions if not session.session_id] in ([], [1])
    assert unfrozen.last_seen_unix_micros == at(10)
    counts = {session.session_id: session.event_count for session in unfrozen.sessions}
    assert counts[""] == (11 if session_id == "" else 10)
    assert all(session.last_unix_micros == at(10) for session in unfrozen.sessions if not session.session_id)


def test_nothing_that_was_counted_is_lost():
    state = fold_all(
        [event(EventType.ADD_TO_CART, DAY_MINUTES, SHOE), event(EventType.PURCHASE, DAY_MINUTES, SHOE, value=80.0)]
    )
    corrected = fold_at(state, event(minutes=0), at(0))
    assert (corrected.orders, corrected.spent_micros) == (1, 80_000_000)
    assert (corrected.first_order_unix_micros, corrected.last_order_unix_micros) == (at(0), at(0))
    assert (corrected.first_seen_unix_micros, corrected.last_seen_unix_micros) == (at(0), at(0))
    assert corrected.sessions[0].event_count == 3
    assert corrected.items.counts == state.items.counts
    assert newest_item_score(corrected.items, at(0)) == pytest.approx(
        newest_item_score(state.items, at(DAY_MINUTES)), rel=1e-4
    )
    assert history_times(corrected.items) == [at(0) // MICROS // HISTORY_TIME_SECONDS * HISTORY_TIME_SECONDS]
    assert [interest.last_unix_micros for interest in corrected.habits.categories.values()] == [at(0)]


def test_a_gap_up_to_a_wrong_time_is_no_longer_than_the_session():
    state = fold_all([event(minutes=0, session_id="tab"), event(minutes=600, session_id="tab")])
    assert state.sessions[0].longest_gap_micros == 600 * MINUTE_MICROS
    corrected = fold_at(state, event(minutes=12, session_id="tab"), at(10))
    (session,) = corrected.sessions
    assert (session.last_gap_micros, session.longest_gap_micros) == (2 * MINUTE_MICROS, 10 * MINUTE_MICROS)


def test_up_to_five_minutes_ahead_is_trusted():
    state = fold_all([event(minutes=5)])
    each = event(minutes=0)
    assert with_server_clock(each, None, 0) is each
    assert with_server_clock(each, state, at(0)) is each
    marked = with_server_clock(each, state, at(0) - 1)
    assert marked.server_clock_unix_micros == at(0) - 1
    assert with_server_clock(marked, state, at(0) - 1) is marked
    assert with_server_clock(marked, None, at(0) - 1) == each  # folded again, into another state


def test_a_late_event_alone_changes_no_times():
    """The visitor's phone sends what happened an hour ago: the state is right, and so is the server's clock."""
    state = fold_all([event(minutes=60)])
    assert fold_at(state, event(minutes=0), at(61)) == fold(state, event(minutes=0))


def test_a_duplicate_changes_nothing():
    state = fold_all([event(minutes=DAY_MINUTES, event_id="1")])
    assert fold_at(state, event(minutes=0, event_id="1"), at(0)) is state


@given(any_log(max_events=12), st.lists(st.integers(-2 * DAY_MICROS, 2 * DAY_MICROS), min_size=12, max_size=12))
def test_a_replay_of_what_was_recorded_gives_the_same_state_whatever_the_clock_did(log, errors):
    state, recorded = None, []
    for each, error in zip(log, errors, strict=False):
        clock_unix_micros = max(1, each.event_time_unix_micros + error)
        marked = with_server_clock(each, state, clock_unix_micros)
        recorded.append(marked)
        if state is None:
            state = fold(state, marked)
        else:
            state = copy_state(state)
            ahead = state.last_seen_unix_micros > clock_unix_micros + MAX_AHEAD_MICROS
            folded = fold_in_place(state, marked)
            if ahead and folded:
                assert state.last_seen_unix_micros == max(clock_unix_micros, each.event_time_unix_micros)
    assert encode_state(fold_all(recorded)) == encode_state(state)
    assert featurize(state, log[-1].event_time_unix_micros, BEHAVIOR).size == len(BEHAVIOR.features)


@given(any_log(max_events=12), st.integers(0, 10**16))
def test_no_time_is_later_than_the_clock_afterwards(log, clock_unix_micros):
    state = fold_all(log)
    state.slots[1] = TimedValue(1.0, log[0].event_time_unix_micros)
    for session in state.sessions:
        session.slots[2] = TimedValue("ads", session.last_unix_micros)
        session.slots[3] = 10**17  # a count has no time
    move_back(state, clock_unix_micros)
    timed = [state.slots[1], *[session.slots[2] for session in state.sessions]]
    assert [value.value for value in timed] == [1.0, *["ads"] * len(state.sessions)]
    interests = state.habits.categories.values()
    times = [
        state.first_seen_unix_micros,
        state.last_seen_unix_micros,
        state.first_order_unix_micros,
        state.last_order_unix_micros,
        *(time for session in state.sessions for time in (session.start_unix_micros, session.last_unix_micros)),
        *(interest.last_unix_micros for interest in interests),
        *(value.unix_micros for value in timed),
    ]
    assert max(times) <= clock_unix_micros
    for session in state.sessions:
        assert session.last_gap_micros <= session.longest_gap_micros
        assert session.longest_gap_micros <= session.last_unix_micros - session.start_unix_micros
    again = copy_state(state)
    move_back(again, clock_unix_micros)
    assert msgspec.structs.asdict(again) == msgspec.structs.asdict(state)
