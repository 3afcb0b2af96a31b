from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from presage_console.visitor.replaying import moment_rows, replay, served_after
from presage_featurizer import CONVERSION, Event, EventType, fold
from presage_featurizer.digests import digest
from presage_featurizer.featurize import featurize
from support.events import STORY, any_log, at
from support.projects import custom_features
from support.vectors import a_vector
from support.visitor_histories import history_of


@given(any_log(max_events=8))
def test_each_moment_has_the_state_that_the_server_had_and_its_features(log):
    replayed = replay(history_of(log), range(1, len(log) + 1))
    state = None
    for number, (event, moment) in enumerate(zip(log, replayed.moments, strict=True), 1):
        before, state = state, fold(state, event)
        assert (moment.number, moment.event, moment.before, moment.state) == (number, event, before, state)
        assert moment.complete
        assert moment.duplicate == (before is not None and before == state)
        assert moment.late == (before is not None and event.event_time_unix_micros < before.last_seen_unix_micros)
    expected = [
        featurize(moment.state, moment.event.event_time_unix_micros, CONVERSION, session_id=moment.event.session_id)
        for moment in replayed.moments
    ]
    assert moment_rows(replayed.moments, CONVERSION).tobytes() == np.stack(expected).tobytes()
    assert replayed.last == replayed.moments[-1]
    assert set(replayed.item_names.values()) == {item.item_id for event in log for item in event.items}


def test_only_what_is_wanted_is_kept_and_the_last():
    replayed = replay(history_of(STORY), {2, 4})
    assert [moment.number for moment in replayed.moments] == [2, 4]
    assert replayed.last.number == len(STORY)


def test_a_visitor_without_a_beginning_is_not_complete_until_the_next_one():
    replayed = replay(history_of(STORY, fresh=(4,)), range(1, len(STORY) + 1))
    assert [moment.complete for moment in replayed.moments] == [False] * 4 + [True] * (len(STORY) - 4)
    assert replayed.moments[4].before is None
    assert replayed.moments[4].state == fold(None, STORY[4])


def test_a_projects_own_features_are_folded_too():
    own = custom_features()
    events = [
        Event("e1", EventType.SEARCH, "visitor", at(0)),
        Event("e2", EventType.VIEW_ITEM, "visitor", at(1), numbers={"margin": 4.5}),
    ]
    replayed = replay(history_of(events), {2}, own.aggregates)
    row = dict(zip(own.feature_set.features, moment_rows(replayed.moments, own.feature_set)[0].tolist(), strict=True))
    assert (row["visit_searches"], row["margin_viewed"]) == (1.0, 4.5)


def served_vector(place, **changed):
    state = None
    for event in STORY[: place + 1]:
        state = fold(state, event)
    moment = at(9.5)
    values = featurize(state, moment, CONVERSION, session_id="").tobytes()
    fields = {
        "as_of_unix_micros": moment,
        "session_id": "",
        "last_event": digest(STORY[place].event_id),
        "fingerprint": CONVERSION.fingerprint,
        "values": values,
    }
    return a_vector(**(fields | changed))


def test_what_was_served_after_an_event_is_found_and_compared_bit_for_bit():
    same = served_vector(4)
    values = np.frombuffer(same.values, "<f4").copy()
    values[CONVERSION.features.index("page_views")] += 1
    other = served_vector(4, values=values.tobytes())
    unknown = served_vector(4, fingerprint="f" * 64)
    vectors = (same, other, unknown, served_vector(3))
    (moment,) = replay(history_of(STORY), {5}).moments
    assert [each.differs for each in served_after(moment, vectors, CONVERSION)] == [(), ("page_views",), None]
    (partial,) = replay(history_of(STORY, fresh=()), {5}).moments
    assert {each.differs for each in served_after(partial, vectors, CONVERSION)} == {None}


@pytest.mark.parametrize("feature_set", [None])
def test_without_a_feature_set_nothing_is_compared(feature_set):
    (moment,) = replay(history_of(STORY), {5}).moments
    assert [each.differs for each in served_after(moment, (served_vector(4),), feature_set)] == [None]
