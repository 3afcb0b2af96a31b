from __future__ import annotations

import random

import pytest
from hypothesis import given
from training.logs import act, crowd, shop

from presage_featurizer import CORE, EventType
from presage_training.replaying.decisions import EveryEvent
from presage_training.replaying.event_order import CountedOrder, EventOrder
from presage_training.replaying.workers import record

VIEW, BUY, REFUND = EventType.VIEW_ITEM, EventType.PURCHASE, EventType.REFUND


def order_of(log, **options) -> EventOrder:
    return record(log, decisions=EveryEvent(), feature_set=CORE, **options).order


def late_times(log) -> list[tuple[str, int]]:
    """Find each late event the slow way: its visitor, and by how much it is late. Duplicates count as events."""
    late = []
    for place, event in enumerate(log):
        before = [one.event_time_unix_micros for one in log[:place] if one.user_id == event.user_id]
        if (micros := max(before, default=0) - event.event_time_unix_micros) > 0:
            late.append((event.user_id, micros))
    return late


@given(log=crowd())
def test_late_events_are_counted_within_their_visitors(log):
    late = late_times(log)
    expected = EventOrder(
        events=len(log),
        visitors=len({event.user_id for event in log}),
        late_events=len(late),
        late_visitors=len({visitor for visitor, _ in late}),
        max_late_micros=max((micros for _, micros in late), default=0),
    )
    counted = CountedOrder(log)

    assert list(counted) == log
    assert counted.order == expected
    # The fold knows more: which events are duplicates, have a session, or are behind the log.
    replayed = order_of(log, distinct_ids=True)
    assert (replayed.late_events, replayed.late_visitors) == (expected.late_events, expected.late_visitors)
    assert (replayed.events, replayed.visitors) == (expected.events, expected.visitors)
    assert replayed.max_late_micros == expected.max_late_micros
    assert order_of(log).late_events <= expected.late_events


def test_duplicates_are_not_late():
    first = act(VIEW, 0)

    assert order_of([first, act(VIEW, 5), first]).late_events == 0
    assert order_of([first, act(VIEW, 5), first], distinct_ids=True).late_events == 1


def test_ties_and_other_visitors_are_not_late():
    log = [act(VIEW, 5), act(BUY, 5), act(VIEW, 3, user_id="bob"), act(VIEW, 5, session_id="s2")]

    assert order_of(log) == EventOrder(events=4, visitors=2)


def test_late_events_whose_session_is_over_are_counted():
    log = [
        act(VIEW, 0, session_id=""),
        act(VIEW, 200, session_id=""),
        act(BUY, 100, session_id=""),  # between two sessions
        act(REFUND, 101, session_id=""),  # never of a session
        act(VIEW, 199, session_id=""),  # joins the open one
    ]
    order = order_of(log)

    assert (order.late_events, order.late_without_session, order.late_visitors) == (3, 1, 1)
    assert order.description == (
        "3 of 5 events (60 %), of 1 of 1 visitors (100 %), come after later events of the same visitor, by up to 100 minutes; "
        "1 of them fall into no open session"
    )


@pytest.mark.parametrize("workers", [2, 3])
def test_the_counts_do_not_depend_on_the_workers(workers):
    log = shop(visitors=80)
    random.Random(1).shuffle(log)
    alone = order_of(log)

    assert alone.has_many_late
    assert alone.has_many_behind
    assert alone == order_of(log, workers=workers)


@pytest.mark.parametrize(
    ("late_events", "late_visitors", "many"),
    [(0, 0, False), (10, 50, False), (11, 1, True), (10, 51, True)],
)
def test_many_is_a_share_of_the_events_or_of_the_visitors(late_events, late_visitors, many):
    order = EventOrder(events=10_000, visitors=1_000, late_events=late_events, late_visitors=late_visitors)

    assert order.has_many_late is many


def test_a_simulated_shop_is_in_order():
    order = order_of(shop(visitors=80))

    assert (order.late_events, order.behind_log) == (0, 0)


def test_visitors_that_follow_one_another_are_behind_the_log_but_not_late():
    log = sorted(shop(visitors=80), key=lambda event: event.user_id)
    order = order_of(log)

    assert (order.late_events, order.has_many_late, order.has_many_behind) == (0, False, True)
    assert order.description_behind.endswith(" %) are more than an hour older than events before them")


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(1 / 60_000, "0.001 seconds"), (1, "60 seconds"), (2, "2 minutes"), (180, "3 hours"), (60 * 24 * 30, "30 days")],
)
def test_how_late_is_said_in_a_fitting_unit(minutes, text):
    log = CountedOrder([act(VIEW, minutes), act(VIEW, 0)])
    list(log)

    assert log.order.description.endswith(f"by up to {text}")
