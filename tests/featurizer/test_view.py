from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MAX_UNIX_MICROS, MICROS, EventType
from presage_featurizer.view import View, local_seconds
from support.events import DAY_MICROS, SHOE, SOCK, START_UNIX_MICROS, at, event, fold_all

# Half hours, quarters, a change of half an hour, changes at 00:01, zones that skipped a day.
ZONES = (
    "UTC",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Antarctica/Casey",
)


def view_of(state, now_unix_micros=START_UNIX_MICROS, session_id=""):
    return View(state, now_unix_micros, session_id, "UTC", {})


@settings(deadline=None, max_examples=300)
@given(now=st.integers(0, MAX_UNIX_MICROS), zone=st.sampled_from(ZONES))
def test_local_seconds_are_those_of_the_clock_on_the_wall(now, zone):
    wall = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=local_seconds(now, zone))  # noqa: DTZ001 - a wall clock is naive
    assert wall == dt.datetime.fromtimestamp(now // MICROS, tz=ZoneInfo(zone)).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Europe/London", "2024-03-31T01:00"),
        ("Europe/London", "2024-10-27T01:00"),
        ("America/St_Johns", "2011-03-13T03:31"),
        ("Antarctica/Casey", "2022-10-01T16:01"),
        ("Australia/Lord_Howe", "2024-10-05T15:30"),
    ],
)
def test_local_seconds_change_in_the_very_microsecond(zone, change):
    moment = dt.datetime.fromisoformat(f"{change}+00:00")
    now = int(moment.timestamp()) * MICROS
    for each in (now - 1, now):
        local = dt.datetime.fromtimestamp(each // MICROS, tz=ZoneInfo(zone))
        assert local_seconds(each, zone) == each // MICROS + local.utcoffset().total_seconds()
    assert local_seconds(now, zone) - local_seconds(now - 1, zone) != 1


def test_moments_are_exact_in_a_double_up_to_the_latest_one():
    assert int(float(MAX_UNIX_MICROS - 1)) == MAX_UNIX_MICROS - 1
    assert int(float(MAX_UNIX_MICROS + 1)) == MAX_UNIX_MICROS


def test_days_since_are_whole_and_parts_of_days():
    view = view_of(None, at(0))
    assert view.days_since(at(0) - DAY_MICROS) == 1.0
    assert view.days_since(at(0) - DAY_MICROS // 4) == 0.25
    assert view.days_since(at(0)) == 0.0


def test_days_since_never_and_since_the_future_are_0():
    view = view_of(None, at(0))
    assert view.days_since(0) == 0.0
    assert view.days_since(at(0) + 1) == 0.0


def test_no_history_is_an_empty_state_and_an_empty_session():
    view = view_of(None)
    assert (view.state.orders, view.session.event_count, view.cart_units, view.cart_value_micros) == (0, 0, 0, 0)


def test_no_current_session_is_an_empty_one():
    state = fold_all([event(minutes=0)])
    assert view_of(state, at(30)).session is state.sessions[0]
    assert view_of(state, at(31)).session.event_count == 0
    assert view_of(state, at(0), "other").session.event_count == 0


def test_cart_totals_are_worked_out_once():
    view = view_of(fold_all([event(EventType.ADD_TO_CART, 0, SHOE, SOCK)]))
    assert (view.cart_units, view.cart_value_micros) == (4, 93_500_000)
