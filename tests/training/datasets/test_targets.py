from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from training.logs import act, crowd

from presage_featurizer import CONVERSION, MICROS, EventType, fold
from presage_training.datasets.dataset import build_dataset
from presage_training.datasets.targets import PurchaseInSession, PurchaseWithin, RevenueWithin, parse_target
from presage_training.errors import DatasetError
from presage_training.replaying.decisions import Calendar, EveryEvent
from presage_training.replaying.workers import record
from support.events import DAY_MICROS, MINUTE_MICROS, at

VIEW, BUY, REFUND = EventType.VIEW_ITEM, EventType.PURCHASE, EventType.REFUND

DAY_MINUTES = 24 * 60
LOG_END = act(minutes=100 * DAY_MINUTES, user_id="closer")
"""Far away: its own row is the only one whose days reach past the end."""


def worth(event, money):
    return replace(event, value_micros=money * MICROS)


def minutes_and_labels(target, *events, decisions=None) -> list[tuple[float, float]]:
    dataset = build_dataset([*events, LOG_END], decisions=decisions or EveryEvent(), target=target)
    minutes = (dataset.times_unix_micros - at(0)) / MINUTE_MICROS
    return list(zip(minutes.tolist(), dataset.labels.tolist(), strict=True))


def test_a_purchase_within_the_days_counts_whatever_its_session():
    log = act(VIEW, 0), act(VIEW, 5, user_id="bob"), act(BUY, 7, session_id="s2"), act(VIEW, 8)

    assert minutes_and_labels(PurchaseWithin(1), *log) == [(0, True), (5, False), (7, False), (8, False)]


@pytest.mark.parametrize(("micros_after", "label"), [(-1, True), (0, True), (1, False)])
def test_the_last_microsecond_of_the_days_counts(micros_after, label):
    purchase = replace(act(BUY), event_time_unix_micros=at(0) + 2 * DAY_MICROS + micros_after)

    assert minutes_and_labels(PurchaseWithin(2), act(VIEW, 0), purchase)[0] == (0, label)


def test_of_events_at_one_moment_those_later_in_the_log_count():
    log = act(BUY, 0, event_id="a"), act(VIEW, 0, event_id="b"), act(BUY, 0, event_id="c"), act(VIEW, 0, event_id="d")

    assert [label for _, label in minutes_and_labels(PurchaseWithin(1), *log)] == [True, True, False, False]


def test_a_purchase_does_not_count_for_itself():
    log = act(BUY, 0), act(BUY, 3 * DAY_MINUTES)

    assert [label for _, label in minutes_and_labels(PurchaseWithin(3), *log)] == [True, False]
    assert [label for _, label in minutes_and_labels(PurchaseWithin(2), *log)] == [False, False]


def test_a_duplicate_purchase_does_not_count():
    log = act(BUY, 0, event_id="b"), act(VIEW, 1), act(BUY, 2, event_id="b")

    assert minutes_and_labels(PurchaseWithin(1), *log) == [(0, False), (1, False)]


def test_a_purchase_that_arrives_late_counts_for_its_own_time_only():
    log = act(VIEW, 0), act(VIEW, 5), act(BUY, 3)

    # The last row is the purchase itself, whose features know of minute 5 already.
    assert minutes_and_labels(PurchaseWithin(1), *log) == [(0, True), (5, False), (3, False)]


def test_what_the_features_know_of_is_not_to_be_predicted():
    log = act(VIEW, 0), act(BUY, 60), act(VIEW, 30)

    assert minutes_and_labels(PurchaseWithin(1), *log) == [(0, True), (60, False), (30, False)]


def test_at_a_moment_of_the_calendar_events_of_that_moment_are_ahead():
    midnight = 14 * 60
    log = act(VIEW, 0), act(BUY, midnight), act(VIEW, midnight + 2 * DAY_MINUTES)
    labels = minutes_and_labels(PurchaseWithin(1), *log, decisions=Calendar(silent_days=1))

    assert labels == [(midnight, True), (midnight + DAY_MINUTES, False), (midnight + 3 * DAY_MINUTES, False)]


def test_revenue_is_purchases_less_refunds():
    log = (
        worth(act(BUY, 0), 100),
        worth(act(BUY, 10), 30),
        worth(act(REFUND, 20), 100),
        worth(act(BUY, 25, user_id="bob"), 7),
        worth(act(BUY, 2 * DAY_MINUTES), 5),
    )
    labels = [label for _, label in minutes_and_labels(RevenueWithin(1), *log)]

    assert labels == [-70.0, -100.0, 0.0, 0.0, 0.0]
    assert [label for _, label in minutes_and_labels(RevenueWithin(2), *log)] == [-65.0, -95.0, 5.0, 0.0, 0.0]


@pytest.mark.parametrize("target", [PurchaseWithin(3), RevenueWithin(3)])
def test_rows_whose_days_reach_past_the_logs_end_are_dropped_and_counted(target):
    end = 5 * DAY_MINUTES
    # The row at day 3 is positive, and known to be; it is dropped all the same.
    log = [act(VIEW, 2 * DAY_MINUTES), act(VIEW, 2 * DAY_MINUTES + 1), act(VIEW, 3 * DAY_MINUTES), act(BUY, end)]
    dataset = build_dataset(log, decisions=EveryEvent(), target=target)

    assert dataset.times_unix_micros.tolist() == [at(2 * DAY_MINUTES)]
    assert (dataset.log.decision_points, dataset.log.censored) == (4, 3)
    assert dataset.span_starts_unix_micros.tolist() == [at(2 * DAY_MINUTES)]
    assert dataset.span_ends_unix_micros.tolist() == [at(end)]


def test_a_purchase_in_session_is_of_the_same_session_and_later():
    log = act(VIEW, 0), act(VIEW, 1, session_id="s2"), act(BUY, 2), act(VIEW, 3), act(VIEW, 4, session_id="s2")

    assert minutes_and_labels(PurchaseInSession(), *log) == [(0, True), (1, False), (4, False)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (PurchaseInSession(), [0, 0, 60]),
        (PurchaseInSession(ended_only=True), [0, 0]),
        (PurchaseInSession(ended_only=True, idle_minutes=1), [0, 0]),
        (PurchaseInSession(ended_only=True, idle_minutes=0), [0, 0, 60]),
    ],
)
def test_of_a_session_that_may_go_on_the_purchase_counts_unless_told_otherwise(target, expected):
    log = act(VIEW, 0), act(VIEW, 0, user_id="bob"), act(VIEW, 60, session_id="s2"), act(BUY, 61, session_id="s2")
    dataset = build_dataset([*log, act(VIEW, 62, user_id="eve")], decisions=EveryEvent(), target=target)

    assert ((dataset.times_unix_micros - at(0)) / MINUTE_MICROS).tolist() == expected
    assert dataset.log.censored == 4 - len(expected)


def counted(events):
    """The events that are no duplicates, with their places in the log and what their visitors' features know of."""
    states = {}
    for place, event in enumerate(events):
        before = states.get(event.user_id)
        state = states[event.user_id] = fold(before, event)
        if state is not before:
            yield place, event, state.last_seen_unix_micros


@given(events=crowd(), days=st.sampled_from((1, 9, 95)))
def test_labels_are_what_their_definition_says(events, days):
    recording = record(events, decisions=EveryEvent(), feature_set=CONVERSION)
    purchase, revenue = (kind(days).label(recording) for kind in (PurchaseWithin, RevenueWithin))
    log = list(counted(events))
    for row, (place, event, seen) in enumerate(log):
        until = event.event_time_unix_micros + days * DAY_MICROS
        ahead = [
            other
            for other_place, other, _ in log
            if other.user_id == event.user_id
            and (other.event_time_unix_micros, other_place) > (seen, place)
            and other.event_time_unix_micros <= until
        ]
        money = sum({BUY: 1, REFUND: -1}.get(other.type, 0) * other.money_micros for other in ahead)
        assert purchase.values[row] == any(other.type == BUY for other in ahead)
        assert revenue.values[row] == money / MICROS
        assert purchase.censored[row] == (until > max(each.event_time_unix_micros for each in events))
    assert len(log) == len(recording.rows)


@given(events=crowd())
def test_revenue_is_what_the_visitors_spending_changes_by(events):
    """With all of time ahead, and in the order of time."""
    events = sorted(events, key=lambda event: event.event_time_unix_micros)
    recording = record(events, decisions=EveryEvent(), feature_set=CONVERSION)
    labels = RevenueWithin(3_650).label(recording).values
    states, spent = {}, []
    for event in events:
        before = states.get(event.user_id)
        states[event.user_id] = fold(before, event)
        if states[event.user_id] is not before:
            spent.append((event.user_id, states[event.user_id].spent_micros))

    assert labels.tolist() == [(states[user_id].spent_micros - so_far) / MICROS for user_id, so_far in spent]


def test_sums_that_would_not_be_exact_are_refused():
    log = [replace(act(BUY, minutes), value_micros=10**18) for minutes in range(10)]

    with pytest.raises(DatasetError, match="amounts of up to 1000000000000 cannot be summed exactly over 1 days"):
        build_dataset([*log, LOG_END], decisions=EveryEvent(), target=RevenueWithin(1))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("purchase-in-session", PurchaseInSession()),
        ("purchase-in-ended-session:30", PurchaseInSession(ended_only=True)),
        ("purchase-in-ended-session:5", PurchaseInSession(ended_only=True, idle_minutes=5)),
        ("purchase-within:30", PurchaseWithin(30)),
        ("revenue-within:7", RevenueWithin(7)),
    ],
)
def test_names_are_read_and_written(text, target):
    assert parse_target(text) == target
    assert target.name == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one of purchase-in-session, .* got ''"),
        ("purchase-within", "expected one of .* got 'purchase-within'"),
        ("purchase-within:a", "expected one of"),
        ("purchase-in-ended-session", "expected one of"),
        ("purchase-in-ended-session:1441", "minutes: expected a whole number from 0 to 1440, got 1441"),
        ("churn:30", "expected one of"),
        ("purchase-within:0", "days: expected a whole number from 1 to 3650, got 0"),
        ("revenue-within:3651", "days: expected a whole number from 1 to 3650, got 3651"),
    ],
)
def test_other_names_are_refused(text, message):
    with pytest.raises(DatasetError, match=f"target: {message}"):
        parse_target(text)


def test_minutes_of_idleness_are_for_ended_sessions_only():
    with pytest.raises(DatasetError, match="minutes: expected 30 without ended_only, got 5"):
        PurchaseInSession(idle_minutes=5)


@pytest.mark.parametrize("target", [PurchaseWithin(30), RevenueWithin(30)])
def test_a_log_shorter_than_the_days_is_refused(target):
    with pytest.raises(
        DatasetError, match=r"all 2 decision points are within 30 days of the log's end: use a longer log"
    ):
        build_dataset([act(VIEW, 0), act(BUY, 1)], decisions=EveryEvent(), target=target)


def test_labels_have_the_dtypes_that_they_promise():
    log = [act(VIEW, 0), LOG_END]
    assert build_dataset(log, decisions=EveryEvent(), target=PurchaseWithin(1)).labels.dtype == np.bool_
    assert build_dataset(log, decisions=EveryEvent(), target=RevenueWithin(1)).labels.dtype == np.float64
