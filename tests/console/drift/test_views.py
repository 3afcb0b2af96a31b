"""The Drift page: alarms first, since when, what is as usual, and what is too young to be judged."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import pytest

from presage_console.drift.views import State, view_version
from presage_console.drift.words import moment
from presage_export.drift import HOUR_MICROS, Window
from support.drifting import START_HOUR

pytestmark = pytest.mark.xdist_group("drift-console")

QUIET, DEAR = "quiet", "dear"


def test_the_column_with_an_alarm_comes_first_and_says_since_when(report_of):
    report = report_of(*[QUIET] * 3, DEAR)
    view = view_version(report)
    first = view.columns[0]
    assert (first.name, first.state) == ("price", State.ALARM)
    (alarm, *_) = first.alarms
    dear_from = moment((START_HOUR + (14 + 3) * 24) * HOUR_MICROS)
    assert dear_from <= alarm.since <= dear_from + dt.timedelta(hours=14)
    assert alarm.since < alarm.raised <= view.windows[-1].end
    assert alarm.until is None
    assert alarm.ratio > 1.0
    assert view.alarms == 1


def test_a_larger_level_is_said_in_words(report_of):
    view = view_version(report_of(*[QUIET] * 3, DEAR))
    words = [alarm.words for alarm in view.columns[0].alarms]
    assert any(text.startswith("its values are larger: the average row lies above 5") for text in words), words


def test_an_alarm_that_has_ended_says_until_when_and_stays_before_what_is_as_usual(report_of):
    report = report_of(QUIET, QUIET, DEAR, QUIET, QUIET, QUIET)
    view = view_version(report)
    first = view.columns[0]
    assert (first.name, first.state, view.alarms) == ("price", State.ENDED, 0)
    assert first.alarms[0].since < first.alarms[0].until < view.windows[-1].end
    assert [row.state for row in view.columns[1:]].count(State.ENDED) == 0


def test_nothing_is_an_alarm_where_nothing_has_changed(report_of):
    view = view_version(report_of(*[QUIET] * 4))
    assert view.alarms == 0
    assert {row.state for row in view.columns} <= {State.USUAL, State.DIFFERS, State.NOT_JUDGED}
    assert view.too_young == ""


def test_what_follows_the_date_is_there_and_not_compared(report_of):
    view = view_version(report_of(*[QUIET] * 4))
    (month,) = [row for row in view.columns if row.name == "month"]
    assert (month.state, month.ratio, month.cells) == (State.NOT_JUDGED, None, ())
    assert view.columns[-1] is month


def test_strips_lie_within_their_thousand_and_mark_what_matters(report_of):
    view = view_version(report_of(*[QUIET] * 3, DEAR))
    cells = view.columns[0].cells
    assert cells[0].x == 0.0
    assert cells[-1].x + cells[-1].width == 1000.0
    assert all(before.x < after.x for before, after in pairwise(cells))
    assert {cell.level for cell in cells if cell.in_alarm} & {3, 4}
    assert view.columns[0].summary.endswith(f"of {len(cells)} windows with an effect that matters")


def test_without_a_window_the_version_is_too_young_and_says_what_it_takes(report_of):
    view = view_version(report_of(QUIET, min_visitors=100_000))
    assert (view.windows, view.alarms) == ((), 0)
    assert view.too_young.startswith("Too young to be judged: a window takes 100 visitors, or a day")
    assert {row.state for row in view.columns} == {State.NOT_JUDGED}


def test_one_window_raises_no_alarm_and_the_page_says_so(report_of):
    view = view_version(report_of(QUIET, min_visitors=390))
    assert len(view.windows) == 1
    assert "an alarm takes two in a row" in view.too_young


def test_hours_that_wait_for_more_visitors_are_named(report_of):
    report = report_of(QUIET)
    hour = report.windows[-1].hours[0]
    view = view_version(replace(report, waiting=Window.of([hour])))
    assert view.waiting.startswith(f"Not yet in a window: {hour.rows:,} rows of about ")
    assert moment(hour.number * HOUR_MICROS).strftime("%m-%d %H:%M") in view.waiting
