"""Judging: visitors, not rows, say what is by chance; what has changed is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearson3

from presage_export.drift import Judge, ServedRows, find_alarms, make_windows
from presage_export.drift.measures import (
    SharesMeasure,
    chance_of_distance,
    chance_of_skewed,
    distances,
    smoothed_shares,
)
from presage_export.drift.spans import SpanKind
from support.drifting import MIN_VISITORS, NAMES, a_baseline, hours_of, visits

PRICE, WAITING, HOUR, MONTH = range(4)


@pytest.fixture(scope="module")
def baseline():
    return a_baseline()


@pytest.fixture(scope="module")
def judge(baseline):
    return Judge(baseline, NAMES, time_zone="UTC")


@pytest.fixture(scope="module")
def later():
    return visits(days=14, first_day=28, seed=1)


def windows_of(baseline, *parts):
    return make_windows([hour for rows in parts for hour in hours_of(rows, baseline.layout)], min_visitors=MIN_VISITORS)


def alarmed(baseline, judge, later, change) -> set[tuple[str, str]]:
    """The alarms of two quiet weeks and a day with a change."""
    day = visits(days=1, first_day=42, seed=2)
    values = day.values.copy()
    change(values)
    windows = windows_of(baseline, later, replace(day, values=values))
    return {(alarm.column, alarm.test) for alarm in find_alarms(judge.judge(windows))}


def test_nothing_is_found_where_nothing_has_changed(baseline, judge, later):
    findings = judge.judge(windows_of(baseline, later))
    assert find_alarms(findings) == []
    assert {finding.column for finding in findings} == {"price", "waiting", "hour", "visitors"}
    assert min(finding.chance for finding in findings) > 1e-5


def test_rows_of_a_visitor_are_not_independent(baseline, later):
    """With twenty rows a visitor, four fifths alike, rows taken as independent differ thirteen times as much by chance."""
    layout = baseline.layout
    window = windows_of(baseline, later)[0]
    drawn = baseline.distances_by_chance(SpanKind.WINDOW, window.visitors)[0][PRICE]
    bins = int(np.diff(layout.starts_of_bins)[PRICE]) - 3  # without missing, negative and new values
    assert 9 < drawn / ((bins - 1) / window.rows) < 18


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda rows: rows.__setitem__((slice(None), PRICE), rows[:, PRICE] * 3.0), ("price", "level")),
        (lambda rows: rows.__setitem__((slice(None, None, 20), WAITING), 0.0), ("waiting", "zeros")),
        (lambda rows: rows.__setitem__((slice(None, None, 5), WAITING), 7.0), ("waiting", "defaults")),
        (lambda rows: rows.__setitem__((slice(None, None, 50), PRICE), np.nan), ("price", "missing")),
        (lambda rows: rows.__setitem__((slice(None), PRICE), 20.0), ("price", "distribution")),
        (lambda rows: rows.__setitem__((slice(None), HOUR), (rows[:, HOUR] + 2) % 24), ("hour", "distribution")),
    ],
)
def test_a_change_is_named(baseline, judge, later, change, expected):
    assert expected in alarmed(baseline, judge, later, change)


def test_the_month_is_not_compared(baseline, judge, later):
    assert not alarmed(baseline, judge, later, lambda rows: rows.__setitem__((slice(None), MONTH), 12.0))


def test_one_busy_visitor_is_named(baseline, judge, later):
    day = visits(days=1, first_day=42, seed=2)
    bot = day.take(np.repeat(np.arange(0, len(day), 20), 3))
    bot = replace(bot, visitors=np.full(len(bot), 123_456_789))
    both = ServedRows(
        values=np.concatenate([day.values, bot.values]),
        times_unix_micros=np.concatenate([day.times_unix_micros, bot.times_unix_micros]),
        visitors=np.concatenate([day.visitors, bot.visitors]),
    )
    alarms = find_alarms(judge.judge(windows_of(baseline, later, both)))
    assert ("visitors", "busiest") in {(alarm.column, alarm.test) for alarm in alarms}


def test_one_window_alone_raises_no_alarm(baseline, judge, later):
    windows = windows_of(baseline, later)
    spoilt = visits(days=1, first_day=50, seed=3)
    spoilt = replace(spoilt, values=np.zeros_like(spoilt.values))
    findings = judge.judge([*windows[:6], windows_of(baseline, spoilt)[0], *windows[6:]])
    assert min(finding.chance for finding in findings) < 1e-12
    assert find_alarms(findings) == []


def test_alarms_have_their_windows_and_the_largest_comes_first(baseline, judge, later):
    quiet = windows_of(baseline, later)
    day = visits(days=1, first_day=42, seed=2)
    values = day.values.copy()
    values[:, PRICE] *= 3
    values[:, WAITING] = 1.0
    windows = [*quiet, *windows_of(baseline, replace(day, values=values))]
    alarms = find_alarms(judge.judge(windows))
    assert alarms[0].column == "waiting"
    assert {alarm.first.window for alarm in alarms} == {len(quiet) + 1}
    assert {alarm.last.window for alarm in alarms} == {len(windows) - 1}
    ratios = [alarm.worst.effect / alarm.worst.needed for alarm in alarms]
    assert ratios == sorted(ratios, reverse=True)


def test_few_visitors_are_not_judged(baseline, judge):
    rows = visits(days=3, first_day=42, visitors_a_day=30, seed=4)
    assert judge.judge(windows_of(baseline, rows)) == []


def test_the_chance_of_a_distance_is_that_of_chi_squared():
    """The usual quantiles of chi-squared with 10 degrees of freedom, here with mean 10 and deviation sqrt(20)."""
    for quantile, chance in ((18.307, 0.05), (23.209, 0.01), (29.588, 0.001)):
        assert chance_of_distance(quantile, mean=10.0, deviation=20**0.5) == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize("skew", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("z", [2.0, 4.0, 6.0])
def test_the_chance_of_what_leans_to_one_side_is_that_of_a_gamma_variable(z, skew):
    exact = pearson3.sf(z, skew)
    assert chance_of_skewed(z, skew=skew) == pytest.approx(exact, rel=0.2)
    assert chance_of_skewed(z, skew=-skew) == chance_of_skewed(z, skew=0.0) < exact


def test_the_deviation_of_shares_is_that_of_visitors_who_are_drawn(baseline):
    """Checked with visits of other seeds, as many visitors each."""
    layout = baseline.layout
    measure = SharesMeasure(layout, baseline.defaults, smoothed_shares(baseline.counts, layout))
    days = [visits(days=1, first_day=28, visitors_a_day=150, seed=seed) for seed in range(200)]
    found = np.array([measure.of(sum(hour.counts for hour in hours_of(day, layout))) for day in days]).std(axis=0)
    expected = baseline.share_deviations[SpanKind.WINDOW] / np.sqrt(150)
    assert found[0, PRICE] == pytest.approx(expected[0, PRICE], rel=0.15)
    assert found[1, WAITING] == pytest.approx(expected[1, WAITING], rel=0.15)
    assert found[3, :2] == pytest.approx(expected[3, :2], rel=0.15)


def test_one_odd_visitor_is_no_drift(baseline):
    counts = baseline.counts.copy()
    counts[baseline.layout.bins_of(PRICE).stop - 1] += round(0.001 * counts[baseline.layout.bins_of(PRICE)].sum())
    assert distances(counts, smoothed_shares(baseline.counts, baseline.layout), baseline.layout)[PRICE] < 0.01


def test_a_histogram_has_what_is_compared(baseline, judge, later):
    windows = windows_of(baseline, later)
    layout = baseline.layout
    counts, usual = judge.histogram(windows[0], PRICE)
    assert counts.tolist() == windows[0].counts[layout.bins_of(PRICE)].tolist()
    assert usual == pytest.approx(smoothed_shares(baseline.counts, layout)[layout.bins_of(PRICE)])
    assert judge.histogram(windows[0], MONTH) is None


def test_a_histogram_of_the_hour_is_beside_the_same_hours_of_the_week(baseline, judge, later):
    window = windows_of(baseline, later)[0]
    counts, usual = judge.histogram(window, HOUR)
    assert usual.sum() == pytest.approx(1.0)
    assert (usual > 0.02).tolist() == (counts > 0).tolist()
    # Training has no night: nothing to compare with.
    night = replace(
        window, hours=tuple(replace(hour, number=hour.number - hour.number % 24 + 2) for hour in window.hours)
    )
    assert judge.histogram(night, HOUR) is None
