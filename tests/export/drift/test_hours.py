"""Hours become windows, each as short as brings enough visitors."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export.drift.hours import BUCKETS, Hour, make_windows


def an_hour(number: int, visitors: range) -> Hour:
    buckets = np.zeros(BUCKETS, np.int64)
    for visitor in visitors:
        buckets[visitor * 2_654_435_761 % BUCKETS] += 3
    return Hour(number=number, counts=np.array([3 * len(visitors)]), visitors=buckets)


def test_windows_end_with_the_hour_that_brings_enough_visitors():
    hours = [an_hour(number, range(number * 100, number * 100 + 100)) for number in range(5)]
    windows = make_windows(reversed(hours), min_visitors=150)
    assert [[hour.number for hour in window.hours] for window in windows] == [[0, 1], [2, 3]]
    assert windows[0].rows == 600
    assert windows[0].visitors == pytest.approx(200, rel=0.1)


def test_the_same_visitors_again_are_not_more_visitors():
    assert make_windows([an_hour(number, range(100)) for number in range(20)], min_visitors=150) == []


def test_a_window_ends_after_a_day_however_few_come():
    hours = [an_hour(number, range(5)) for number in (0, 3, 23, 24, 30)]
    windows = make_windows(hours, min_visitors=150)
    assert [[hour.number for hour in window.hours] for window in windows] == [[0, 3, 23]]


def test_one_visitor_with_many_rows_shows():
    busy = an_hour(0, range(200))
    busy.visitors[17] += 400
    (window,) = make_windows([busy], min_visitors=150)
    assert window.largest_share == pytest.approx(0.4, abs=0.01)
