"""Pairs of windows and days: visitors of both windows count once, and what is in one window only is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from presage_export.drift import HOUR_MICROS, Judge, ServedRows, build_baseline, find_alarms, make_windows
from presage_export.drift.spans import SpanKind, disjoint, find_days, find_pairs, find_windows
from support.drifting import COLUMNS, MIN_VISITORS, NAMES, START_HOUR, a_baseline, hours_of, visits

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
        assert len(day.parts) == min(4, day.windows)
        # Each window is left out once.
        assert sum(part.rows for part in day.parts) == (len(day.parts) - 1) * day.whole.rows


def test_what_does_not_show_in_windows_shows_in_the_day(baseline, judge, quiet):
    findings = judge.judge([*quiet, *dearer(baseline, 1.3)])
    alone = find_alarms([finding for finding in findings if finding.windows <= 2])
    (alarm,) = (alarm for alarm in find_alarms(findings) if alarm.test == "level")
    assert alone == []
    assert alarm.column == "price"
    assert alarm.first.windows > 2
    assert alarm.first.window >= len(quiet) + 1


def test_one_window_alone_makes_no_day(baseline, judge, quiet):
    windows = [*quiet[:8], dearer(baseline, 20.0)[0], *quiet[8:]]
    # Moved to where the window that it replaces began, so that days contain it.
    number = quiet[8].hours[0].number - 1
    odd = replace(windows[8], hours=tuple(replace(hour, number=number) for hour in windows[8].hours[:1]))
    findings = judge.judge([*quiet[:8], odd, *quiet[8:]])
    assert min(finding.chance for finding in findings if finding.windows == 1) < 1e-12
    assert find_alarms(findings) == []


def test_a_day_of_two_windows_is_a_pair(quiet):
    assert list(find_days(quiet[:2])) == []
    (pair,) = find_pairs(quiet[:2])
    assert pair.whole.rows == sum(window.rows for window in quiet[:2])


@pytest.mark.parametrize("kind", SpanKind)
def test_spans_that_have_no_window_in_common_have_all_windows_together(quiet, kind):
    spans = disjoint(quiet, kind)
    assert [window for span in spans for window in span] == list(quiet)
    if kind == SpanKind.DAY:
        assert all(span[-1].end_unix_micros - span[0].start_unix_micros <= 24 * HOUR_MICROS for span in spans)
    else:
        assert {len(span) for span in spans[:-1]} == {1 + kind}


def long_visits(*, seed: int, days: int = 14) -> ServedRows:
    """Visitors who come at any hour and have a row in each of four hours, all with the same price."""
    random = np.random.default_rng(seed)
    count = days * 24 * 40
    first_hour = random.integers(0, days * 24 - 4, count)
    hours = START_HOUR + (first_hour[:, None] + np.arange(4)).ravel()
    return ServedRows(
        values=np.repeat(np.exp(random.normal(3.0, 1.0, count)), 4).astype(np.float32)[:, None],
        times_unix_micros=hours * HOUR_MICROS,
        visitors=np.repeat(np.arange(count) + seed * 1_000_000, 4),
    )


def test_visitors_of_both_windows_make_two_odd_ones_more_likely():
    """Windows are hours here, and three quarters of an hour's visitors are there in the next one."""
    baseline = build_baseline(long_visits(seed=0), COLUMNS[:1], time_zone="UTC", seed=0, min_visitors=MIN_VISITORS)
    judge = Judge(replace(baseline, usual_effects=np.zeros_like(baseline.usual_effects)), NAMES[:1], time_zone="UTC")

    def chances(spans) -> list[float]:
        return [one.chance for span in spans for one in judge.compare(span) if one.test == "level"]

    pooled, squared = [], []
    for seed in range(1, 9):
        windows = make_windows(hours_of(long_visits(seed=seed), baseline.layout), min_visitors=MIN_VISITORS)
        squared += [max(pair) ** 2 for pair in pairwise(chances(find_windows(windows)))]
        pooled += chances(find_pairs(windows))
    assert len(pooled) > 2_000
    # Of what should be one in a thousand; neighbours share visitors, so few of these pairs are independent.
    assert np.mean(np.array(squared) <= 0.001) > 0.01
    assert np.mean(np.array(pooled) <= 0.001) < 0.004
    assert 0.005 < np.mean(np.array(pooled) <= 0.01) < 0.02
