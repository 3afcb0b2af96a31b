"""The page of one column: which hours are compared, the histogram, and what each test says."""

from __future__ import annotations

import pytest

from presage_console.drift.column import view_column

pytestmark = pytest.mark.xdist_group("drift-console")

QUIET, DEAR = "quiet", "dear"


@pytest.fixture(scope="module")
def drifted(report_of):
    return report_of(*[QUIET] * 3, DEAR, QUIET, QUIET)


def test_an_alarm_is_shown_where_it_is_at_its_worst(drifted):
    view = view_column(drifted, "price")
    worst = drifted.alarms[0].worst
    assert view.compared.why == "where the alarm is at its worst"
    assert view.compared.hours.last_hour == drifted.windows[worst.window].hours[-1].number
    assert view.compared.tests[0].ratio == pytest.approx(worst.effect / worst.needed)


def test_served_and_usual_shares_are_those_of_the_counts(drifted):
    compared = view_column(drifted, "price").compared
    assert sum(bar.rows for bar in compared.bars) == pytest.approx(compared.hours.rows, rel=0.002)
    assert sum(bar.served for bar in compared.bars) == pytest.approx(1.0, abs=0.005)
    assert sum(bar.usual for bar in compared.bars) == pytest.approx(1.0, abs=0.005)
    # A fifth of the visitors has a price of 0, in training and now; what is dearer lies in the upper bins.
    zero = next(bar for bar in compared.bars if bar.label == "0")
    assert zero.served == pytest.approx(zero.usual, abs=0.05)
    upper = compared.bars[-3:]
    assert sum(bar.served for bar in upper) > 1.2 * sum(bar.usual for bar in upper)


def test_any_window_can_be_chosen(drifted):
    chosen = drifted.windows[2].hours[-1].number
    compared = view_column(drifted, "price", last_hour=chosen).compared
    assert (compared.why, compared.hours.last_hour) == ("the window that was chosen", chosen)
    assert compared.hours.rows == drifted.windows[2].rows


def test_a_column_without_an_alarm_shows_the_newest_day(drifted):
    compared = view_column(drifted, "waiting").compared
    assert compared.why == "the newest day"
    assert compared.hours.end == view_column(drifted, "waiting").windows[0].window.end
    assert {test.words for test in compared.tests if test.ratio < 1.0} == {""}


def test_what_follows_the_clock_is_beside_the_same_hours_of_the_week(drifted):
    last = drifted.windows[0]
    bars = view_column(drifted, "hour", last_hour=last.hours[-1].number).compared.bars
    hours = {hour.number % 24 for hour in last.hours}
    usual = {int(bar.label) for bar in bars if bar.usual > 0.02}
    assert usual == hours


def test_a_column_that_is_never_compared_has_no_histogram(drifted):
    view = view_column(drifted, "month")
    assert view.compared.bars == ()
    assert view.compared.tests == ()


def test_visitors_have_a_test_and_no_bins(drifted):
    view = view_column(drifted, "visitors", last_hour=drifted.windows[-1].hours[-1].number)
    assert view.compared.bars == ()
    (test,) = view.compared.tests
    assert (test.name, test.words) == ("share of the busiest visitor", "")  # as usual
    assert test.ratio < 1.0
    assert view.meaning


def test_windows_are_listed_newest_first_with_what_belongs_to_the_alarm(drifted):
    rows = view_column(drifted, "price").windows
    assert len(rows) == len(drifted.windows)
    assert rows[0].window.end > rows[-1].window.end
    alarmed = [row for row in rows if row.in_alarm]
    assert alarmed
    assert not rows[0].in_alarm
    assert max(row.ratio for row in rows) == max(row.ratio for row in alarmed)


def test_no_column_of_that_name(drifted):
    assert view_column(drifted, "<b>") is None


def test_before_there_is_a_window_there_is_nothing_to_compare(report_of):
    view = view_column(report_of(QUIET, min_visitors=100_000), "price")
    assert (view.compared, view.windows) == (None, ())
