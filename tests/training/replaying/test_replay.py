from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from training.logs import act, shop

from presage_featurizer import EventType, featurize, fold
from presage_training.replaying.replay import Replay
from support.events import any_log


@given(logs=st.lists(any_log(max_events=6), min_size=1, max_size=3), random=st.randoms(use_true_random=False))
def test_replay_is_the_fold_of_each_visitors_events(logs, random):
    of_visitors = [[replace(event, user_id=f"visitor-{number}") for event in log] for number, log in enumerate(logs)]
    turns = [number for number, log in enumerate(of_visitors) for _ in log]
    random.shuffle(turns)
    remaining = [iter(log) for log in of_visitors]

    replay = Replay()
    by_hand = {}
    for number in turns:
        event = next(remaining[number])
        by_hand[event.user_id] = fold(by_hand.get(event.user_id), event)
        assert by_hand[event.user_id] == replay.fold(event)

    assert by_hand == replay.states


def test_a_fresh_event_forgets_what_was_before():
    replay = Replay()
    replay.fold(act(EventType.PURCHASE, 0))
    event = act(EventType.PAGE_VIEW, 5)

    assert fold(None, event) == replay.fold(event, fresh=True)
    assert replay.states["ann"].orders == 0


def test_a_fresh_event_forgets_its_own_visitor_only():
    replay = Replay()
    bob = replay.fold(act(user_id="bob"))
    replay.fold(act(), fresh=True)

    assert replay.states["bob"] is bob


def test_a_duplicate_gives_the_same_state_object():
    replay = Replay()
    state = replay.fold(act(EventType.PURCHASE, 0))

    assert replay.fold(act(EventType.PURCHASE, 0)) is state
    assert replay.states["ann"].orders == 1


def test_sessions_kept_by_the_fold_give_the_same_vectors_as_named_ones():
    """Bit for bit, at every event: visits of the simulator are told apart by 30 idle minutes as well as by their names."""
    vectors = []
    for session_ids in (True, False):
        replay = Replay()
        vectors.append(
            [
                featurize(replay.fold(event), event.event_time_unix_micros, session_id=event.session_id)
                for event in shop(visitors=150, days=30, session_ids=session_ids)
            ]
        )
    named, kept = (np.stack(each) for each in vectors)

    assert len(named) > 3_000
    assert np.array_equal(named.view(np.uint32), kept.view(np.uint32))
