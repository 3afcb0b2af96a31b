from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from training.logs import act, crowd, shop

from presage_featurizer import BEHAVIOR, CORE, Device, EventType, featurize, fold
from presage_featurizer.wrong_clock import with_server_clock
from presage_training.replaying.decisions import AtTypes, Calendar, EveryEvent, EveryNth, SessionPrefix
from presage_training.replaying.recorder import Recorder
from presage_training.replaying.workers import record
from support.events import DAY_MICROS, SHOE, SOCK
from support.projects import custom_features

CUSTOM = custom_features().feature_set
VIEW, BUY = EventType.VIEW_ITEM, EventType.PURCHASE

DECISIONS = (EveryEvent(), EveryNth(3), SessionPrefix(2), AtTypes(frozenset({BUY})), Calendar())

KNOWN_LATER = {"session_start_unix_micros", "session_end_unix_micros", "session_purchase_position"}
"""Columns that say what came of the row's session; all others are of the moment of the decision."""


def replayed(events, decisions):
    return record(events, decisions=decisions, feature_set=BEHAVIOR)


def of_the_moment(rows) -> dict[str, bytes]:
    return {each.name: getattr(rows, each.name).tobytes() for each in fields(rows) if each.name not in KNOWN_LATER}


def due_by(rows, events, decisions):
    """The rows that were due when these events, and no more, had come."""
    if decisions.follows_events:
        return rows.take(rows.order < len(events))
    return rows.take(rows.time_unix_micros <= max(event.event_time_unix_micros for event in events))


@st.composite
def lies(draw, event):
    """What might have come instead: of the same visitor, now or then."""
    return replace(
        event,
        event_id=draw(st.sampled_from((event.event_id, f"{event.event_id}-falsified"))),
        type=draw(st.sampled_from((VIEW, BUY, EventType.ADD_TO_CART, EventType.REFUND))),
        event_time_unix_micros=event.event_time_unix_micros + draw(st.sampled_from((-DAY_MICROS, -1, 0, DAY_MICROS))),
        session_id=draw(st.sampled_from(("", "a", "new"))),
        items=(SHOE, SOCK),
        country="ZZ",
        device=Device.OTHER,
        value_micros=10**12,
    )


@pytest.mark.parametrize("decisions", DECISIONS, ids=lambda decisions: decisions.name)
@settings(max_examples=40)
@given(events=crowd(max_events=5), data=st.data())
def test_no_row_sees_its_future(decisions, events, data):
    """Bit for bit, at every decision point: with all that follows deleted, and with all that follows falsified."""
    whole = replayed(events, decisions).rows
    falsified = [data.draw(lies(event)) for event in events]
    for cut in range(1, len(events) + 1):
        past = events[:cut]
        expected = of_the_moment(due_by(whole, past, decisions))
        assert of_the_moment(replayed(past, decisions).rows) == expected
        lied_to = replayed([*past, *falsified[cut:]], decisions).rows
        assert of_the_moment(due_by(lied_to, past, decisions)) == expected


@pytest.mark.parametrize("feature_set", [CORE, BEHAVIOR, CUSTOM], ids=lambda feature_set: feature_set.name)
@given(events=crowd())
def test_rows_are_what_a_server_would_have_served(feature_set, events):
    """A server folds habits always, a replay where its feature set wants them."""
    rows = iter(record(events, decisions=EveryEvent(), feature_set=feature_set).rows.features)
    states = {}
    for event in events:
        before = states.get(event.user_id)
        state = states[event.user_id] = fold(before, event, feature_set.aggregates)
        if state is not before:
            served = featurize(state, event.event_time_unix_micros, feature_set, session_id=event.session_id)
            assert next(rows).tobytes() == served.tobytes()
    assert next(rows, None) is None


@given(events=crowd(), errors=st.lists(st.sampled_from((0, 0, DAY_MICROS, -DAY_MICROS)), min_size=1))
def test_rows_are_what_a_server_with_a_wrong_clock_would_have_served(events, errors):
    """Its event log says which states it did not trust."""
    states, recorded, served = {}, [], []
    for position, event in enumerate(events):
        before = states.get(event.user_id)
        clock_unix_micros = max(1, event.event_time_unix_micros + errors[position % len(errors)])
        marked = with_server_clock(event, before, clock_unix_micros)
        recorded.append(marked)
        state = states[event.user_id] = fold(before, marked)
        if state is not before:
            served.append(featurize(state, event.event_time_unix_micros, CORE, session_id=event.session_id).tobytes())
    rows = record(recorded, decisions=EveryEvent(), feature_set=CORE).rows.features
    assert [row.tobytes() for row in rows] == served


@given(events=crowd())
def test_a_visitors_rows_do_not_depend_on_other_visitors(events):
    rows = replayed(events, EveryEvent()).rows
    for number in np.unique(rows.visitor):
        own = [event for event in events if event.user_id == events[number].user_id]
        alone = replayed(own, EveryEvent()).rows
        assert alone.features.tobytes() == rows.features[rows.visitor == number].tobytes()
        assert alone.prefix_length.tolist() == rows.prefix_length[rows.visitor == number].tolist()


def test_sessions_that_give_no_row_take_no_memory():
    """Replaying on and on must cost no more than states and rows."""
    events = shop(visitors=60)
    recorder = Recorder(EveryNth(100), CORE)
    for position, event in enumerate(events):
        recorder.add(event, position, event.event_time_unix_micros)
    kept = len(recorder._sessions["number"])

    assert 0 < kept <= recorder.row_count == len(events) // 100
    assert len({event.session_id for event in events}) > 5 * kept
    open_sessions = [len(visitor.sessions) for visitor in recorder._visitors.values()]
    assert max(open_sessions) <= 4


@given(events=crowd())
def test_where_ids_are_distinct_none_need_be_remembered(events):
    events = [replace(event, event_id=str(number)) for number, event in enumerate(events)]
    settings = {"decisions": EveryEvent(), "feature_set": BEHAVIOR}

    assert of_the_moment(record(events, distinct_ids=True, **settings).rows) == of_the_moment(
        record(events, **settings).rows
    )


def test_many_rows_stay_in_order():
    events = [act(VIEW, minutes, user_id=f"u{minutes % 7}") for minutes in range(9_000)]
    rows = replayed(events, EveryEvent()).rows

    assert rows.order.tolist() == list(range(9_000))
    assert rows.features.shape == (9_000, len(BEHAVIOR.features))
    counts = rows.features[:, BEHAVIOR.features.index("product_views")]
    assert counts.tolist() == rows.prefix_length.tolist()
