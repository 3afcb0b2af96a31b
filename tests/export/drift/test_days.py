"""Days: what is too small to show in windows shows in the day, unless it is there in one of its windows only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from presage_export.drift import Judge, find_alarms, make_windows
from presage_export.drift.days import find_days
from support.drifting import MIN_VISITORS, NAMES, a_baseline, hours_of, visits

PRICE = NAMES.index("price")


@pytest.fixture(scope="module")
def baseline():
    return a_baseline()


@pytest.fixture(scope="module")
def judge(baseline):
    return Judge(baseline, NAMES, time_zone="UTC")


@pytest.fixture(scope="module")
def quiet(baseline):
    return make_windows(hours_of(visits(days=7, first_day=28, seed=1), baseline.layout), min_visitors=MIN_VISITORS)


def dearer(baseline, factor: float, *, first_day: int = 35):
    rows = visits(days=1, first_day=first_day, visitors_a_day=1200, seed=2)
    values = rows.values.copy()
    values[:, PRICE] *= np.float32(factor)
    return make_windows(hours_of(replace(rows, values=values), baseline.layout), min_visitors=MIN_VISITORS)


def test_a_day_has_the_windows_that_began_in_the_last_24_hours(quiet):
    days = list(find_days(quiet))
    assert len(days) > 20
    for day in days:
        windows = quiet[day.last + 1 - day.windows : day.last + 1]
        begin = quiet[day.last].end_unix_micros - 24 * 3600 * 1_000_000
        before = quiet[: day.last + 1 - day.windows]
        assert windows[0].start_unix_micros >= begin
        assert all(window.start_unix_micros < begin for window in before)
        assert day.whole.rows == sum(window.rows for window in windows)
        assert len(day.without_parts) == min(4, day.windows)
        # Each window is left out once.
        assert sum(part.rows for part in day.without_parts) == (len(day.without_parts) - 1) * day.whole.rows


def test_what_does_not_show_in_windows_shows_in_the_day(baseline, judge, quiet):
    findings = judge.judge([*quiet, *dearer(baseline, 1.3)])
    alone = find_alarms([finding for finding in findings if finding.windows == 1])
    (alarm,) = (alarm for alarm in find_alarms(findings) if alarm.test == "level")
    assert alone == []
    assert alarm.column == "price"
    assert alarm.first.windows > 1
    assert alarm.first.window >= len(quiet) + 1


def test_one_window_alone_makes_no_day(baseline, judge, quiet):
    windows = [*quiet[:8], dearer(baseline, 20.0)[0], *quiet[8:]]
    # Moved to where the window that it replaces began, so that days contain it.
    number = quiet[8].hours[0].number - 1
    odd = replace(windows[8], hours=tuple(replace(hour, number=number) for hour in windows[8].hours[:1]))
    findings = judge.judge([*quiet[:8], odd, *quiet[8:]])
    assert min(finding.chance for finding in findings if finding.windows == 1) < 1e-12
    assert find_alarms(findings) == []


def test_days_without_a_second_window_are_not_judged(quiet):
    assert list(find_days(quiet[:1])) == []
