from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import MICROS, FeatureSet, featurize

FEATURES = ("hour_of_day", "day_of_week", "is_weekend", "is_business_hours", "month", "quarter")
ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
SETS = {zone: FeatureSet(name=zone, features=FEATURES, time_zone=zone) for zone in ZONES}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
YEARS = (dt.date(1971, 1, 1), dt.date(2200, 1, 1))


def calendar_of(moment: dt.datetime) -> list[float]:
    """Featurize no history at a moment, on the clock of its time zone."""
    now_unix_micros = (moment - EPOCH) // dt.timedelta(microseconds=1)
    return featurize(None, now_unix_micros, SETS[str(moment.tzinfo)]).tolist()


def expected_of(moment: dt.datetime) -> list[float]:
    """Answer with what ``datetime`` says of the moment's own clock."""
    return [
        moment.hour,
        moment.weekday(),
        moment.isoweekday() in {6, 7},
        moment.hour in range(9, 17),
        moment.month,
        -(-moment.month // 3),
    ]


@settings(deadline=None, max_examples=300)
@given(zone=st.sampled_from(ZONES), data=st.data())
def test_agrees_with_datetime_at_any_moment(zone, data):
    moments = st.datetimes(
        *(dt.datetime.combine(day, dt.time()) for day in YEARS),
        timezones=st.just(ZoneInfo(zone)),
        allow_imaginary=False,
    )
    moment = data.draw(moments)
    assert calendar_of(moment) == expected_of(moment)


@settings(deadline=None, max_examples=200)
@given(zone=st.sampled_from(ZONES), day=st.dates(*YEARS), first_of=st.sampled_from(("day", "week", "month", "quarter")))
def test_days_weeks_months_and_quarters_begin_at_midnight(zone, day, first_of):
    if first_of == "week":
        day -= dt.timedelta(days=day.weekday())
    elif first_of != "day":
        day = day.replace(day=1, month=day.month if first_of == "month" else (day.month - 1) // 3 * 3 + 1)
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(zone))
    before = dt.datetime.combine(day - dt.timedelta(days=1), dt.time.max, tzinfo=ZoneInfo(zone))
    assert (before.hour, midnight.hour) == (23, 0)
    assert calendar_of(midnight) == expected_of(midnight)
    assert calendar_of(before) == expected_of(before)


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2024-03-31T00:59:59.999999", 0),
        ("2024-03-31T01:00:00", 2),
        ("2024-10-26T23:59:59.999999", 0),
        ("2024-10-27T00:59:59.999999", 1),
        ("2024-10-27T01:00:00", 1),
        ("2024-10-27T02:00:00", 2),
    ],
)
def test_hours_on_the_days_that_london_changes_its_clocks(utc, expected):
    moment = dt.datetime.fromisoformat(f"{utc}+00:00").astimezone(ZoneInfo("Europe/London"))
    hour, day, is_weekend, *_ = calendar_of(moment)
    assert (hour, day, is_weekend) == (expected, 6, 1)


@pytest.mark.parametrize(
    ("time", "expected"), [("08:59:59.999999", 0), ("09:00", 1), ("16:59:59.999999", 1), ("17:00", 0)]
)
def test_business_hours_begin_at_9_and_end_before_17(time, expected):
    moment = dt.datetime.combine(dt.date(2024, 7, 1), dt.time.fromisoformat(time), tzinfo=ZoneInfo("Europe/London"))
    assert calendar_of(moment)[FEATURES.index("is_business_hours")] == expected


def test_the_first_moment_and_the_last_are_on_the_calendar():
    zone = "America/New_York"
    assert featurize(None, 0, SETS[zone]).tolist() == [19, 2, 0, 0, 12, 4]
    last = dt.datetime.fromtimestamp(2**53 // MICROS, tz=ZoneInfo(zone))
    assert featurize(None, 2**53, SETS[zone]).tolist() == expected_of(last)
