from __future__ import annotations

from math import nan

import pytest

from presage_console.formats import NO_VALUE, ago, clock, day, duration, moment, number, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NO_VALUE),
        (nan, NO_VALUE),
        (0, "0"),
        (-5.6e-17, "0"),
        (0.012345, "0.0123"),
        (12.345, "12.3"),
        (7.0, "7"),
        (123.4, "123"),
        (1234567, "1,234,567"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_shares_times_and_lengths_of_time():
    assert (percent(0.1234), percent(None), percent(1, 0)) == ("12.3 %", NO_VALUE, "100 %")
    assert moment(1_772_460_306_000_000) == "2026-03-02 14:05:06 UTC"
    assert moment(0) == NO_VALUE
    assert clock(1_772_460_306_999_999) == "14:05:06"
    assert (day(0), day(20_514)) == ("1970-01-01", "2026-03-02")
    assert [duration(seconds) for seconds in (0.2, 1, 59, 60, 7_200, 100_000)] == [
        "less than a second",
        "1 second",
        "59 seconds",
        "1 minute",
        "2 hours",
        "1 day",
    ]
    assert ago(1_000_000, 61_000_000) == "1 minute ago"
