from __future__ import annotations

import pickle

import numpy as np
import pytest
from training.logs import act

from presage_featurizer import CONVERSION, MICROS, EventType, featurize
from presage_training.errors import DatasetError
from presage_training.replaying.decisions import AtTypes, Calendar, EveryEvent, EveryNth, SessionPrefix, parse_decisions
from presage_training.replaying.recording import NO_SESSION
from presage_training.replaying.workers import record
from support.events import DAY_MICROS, MINUTE_MICROS, START_UNIX_MICROS, at, fold_all

VIEW, BUY, REFUND = EventType.VIEW_ITEM, EventType.PURCHASE, EventType.REFUND

DAY_MINUTES = 24 * 60
MIDNIGHT = 14 * 60
"""Minutes from the log's start, at 10:00, to midnight."""


def rows_of(decisions, *events):
    return record(events, decisions=decisions, feature_set=CONVERSION).rows


def minutes_of(decisions, *events) -> list[float]:
    return ((rows_of(decisions, *events).time_unix_micros - at(0)) / MINUTE_MICROS).tolist()


def test_every_event_but_duplicates():
    log = act(VIEW, 0, event_id="a"), act(VIEW, 1, event_id="a"), act(REFUND, 2), act(BUY, 3)

    assert minutes_of(EveryEvent(), *log) == [0, 2, 3]


def test_every_nth_counts_the_log_not_the_visitor():
    log = [act(VIEW, minutes, user_id="ann" if minutes % 2 else "bob") for minutes in range(7)]

    assert minutes_of(EveryNth(3), *log) == [2, 5]
    assert minutes_of(EveryNth(1), *log) == [0, 1, 2, 3, 4, 5, 6]


def test_the_first_events_of_every_session():
    log = [
        act(VIEW, 0),
        act(VIEW, 1, session_id="s2"),
        act(VIEW, 2),
        act(REFUND, 3),
        act(BUY, 4),
        act(VIEW, 5, session_id="s2"),
        act(VIEW, 6, session_id="s2"),
    ]
    rows = rows_of(SessionPrefix(2), *log)

    assert ((rows.time_unix_micros - at(0)) / MINUTE_MICROS).tolist() == [0, 1, 2, 5]
    assert rows.prefix_length.tolist() == [1, 1, 2, 2]


def test_events_of_some_types():
    log = act(VIEW, 0), act(BUY, 1), act(REFUND, 2), act(BUY, 3, user_id="bob")

    assert minutes_of(AtTypes(frozenset({BUY})), *log) == [1, 3]
    assert minutes_of(AtTypes(frozenset({BUY, REFUND})), *log) == [1, 2, 3]


def test_the_calendar_asks_about_every_visitor_seen_before():
    log = (
        act(VIEW, 0, user_id="ann"),
        act(VIEW, MIDNIGHT + 1, user_id="bob"),
        act(VIEW, MIDNIGHT + DAY_MINUTES + 1, user_id="ann"),
    )
    rows = rows_of(Calendar(), *log)

    assert ((rows.time_unix_micros - at(MIDNIGHT)) / DAY_MICROS).tolist() == [0, 1, 1]
    assert rows.visitor.tolist() == [0, 0, 1]
    assert rows.session.tolist() == [NO_SESSION] * 3
    assert rows.time_unix_micros[0] % DAY_MICROS == 0


def test_the_calendar_comes_before_the_events_of_its_moment():
    before, at_midnight = act(VIEW, 0), act(VIEW, MIDNIGHT)
    rows = rows_of(Calendar(), before, at_midnight, act(VIEW, MIDNIGHT + DAY_MINUTES, user_id="bob"))

    first, second = rows.features
    assert first.tobytes() == featurize(fold_all([before]), at(MIDNIGHT)).tobytes()
    assert second.tobytes() == featurize(fold_all([before, at_midnight]), at(MIDNIGHT + DAY_MINUTES)).tobytes()


def test_the_calendar_does_not_know_of_events_that_come_too_late():
    """Another visitor's event shows that midnight is over; what arrives after it was not known at midnight."""
    first, late = act(VIEW, 0), act(BUY, MIDNIGHT - 1)
    rows = rows_of(Calendar(), first, act(VIEW, MIDNIGHT + 1, user_id="bob"), late)

    assert rows.features.tobytes() == featurize(fold_all([first]), at(MIDNIGHT)).tobytes()


@pytest.mark.parametrize(("silent_days", "expected"), [(1, 1), (2, 2), (30, 30), (60, 40)])
def test_the_calendar_stops_asking_about_the_silent(silent_days, expected):
    log = act(VIEW, MIDNIGHT - 1), act(VIEW, MIDNIGHT + 39 * DAY_MINUTES, user_id="bob")

    assert len(rows_of(Calendar(silent_days=silent_days), *log)) == expected


def test_the_calendar_takes_up_a_visitor_who_comes_back():
    back = MIDNIGHT + 10 * DAY_MINUTES - 1
    log = act(VIEW, MIDNIGHT - 1), act(VIEW, back), act(VIEW, back + 2, user_id="bob")
    days = (rows_of(Calendar(silent_days=2), *log).time_unix_micros - at(MIDNIGHT)) / DAY_MICROS

    assert days.tolist() == [0, 1, 10]


def test_hours_are_counted_from_the_epoch():
    log = act(VIEW, 0), act(VIEW, 16 * 60, user_id="bob")
    times = rows_of(Calendar(hours=6), *log).time_unix_micros

    assert times.tolist() == [START_UNIX_MICROS + hours * 3_600 * MICROS for hours in (2, 8, 14)]


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("every-event", EveryEvent()),
        ("every-nth:10", EveryNth(10)),
        ("session-prefix:5", SessionPrefix(5)),
        ("daily", Calendar()),
        ("every-hours:6", Calendar(hours=6)),
        ("at:PURCHASE", AtTypes(frozenset({BUY}))),
        ("at:VIEW_ITEM,PURCHASE", AtTypes(frozenset({BUY, VIEW}))),
    ],
)
def test_names_are_read_and_written(text, decisions):
    assert parse_decisions(text) == decisions
    assert decisions.name == text
    assert pickle.loads(pickle.dumps(decisions)) == decisions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one of every-event, .* got ''"),
        ("hourly", "expected one of every-event"),
        ("every-event:2", "expected one of every-event"),
        ("every-nth", "expected one of every-event"),
        ("every-nth:", "every-nth: expected a whole number from 1 on, got ''"),
        ("every-nth:0", "every-nth: expected a whole number from 1 on, got 0"),
        ("every-nth:-1", "every-nth: expected a whole number"),
        ("every-nth:²", "every-nth: expected a whole number"),
        ("session-prefix:1.5", "session-prefix: expected a whole number"),
        ("every-hours:9999", "every-hours: expected a whole number from 1 to 8784, got 9999"),
        ("at:", "at: expected event types such as PURCHASE, got 'nothing'"),
        ("at:BUY", "at: expected event types such as PURCHASE, got 'BUY'"),
        ("at:UNSPECIFIED", "at: expected event types, got 'UNSPECIFIED'"),
    ],
)
def test_other_names_are_refused(text, message):
    with pytest.raises(DatasetError, match=f"decision points: .*{message}"):
        parse_decisions(text)


def test_a_log_without_events_has_no_moments():
    for decisions in (EveryEvent(), Calendar()):
        rows = rows_of(decisions)
        assert rows.features.shape == (0, len(CONVERSION.features))
        assert rows.features.dtype == np.float32
