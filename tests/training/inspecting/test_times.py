from __future__ import annotations

import pytest

from presage_training.inspecting.times import guess_clock, guess_time


@pytest.mark.parametrize(
    ("cells", "text_format", "has_zone"),
    [
        (["2026-01-05T10:00:00Z", "2026-01-05T10:00:00.5Z"], "", True),
        (["2026-01-05 10:00:00", "2026-01-06 10:00:00"], "", False),
        (["2026-01-05 10:00:00 UTC"], "", True),
        (["05.01.2026 10:00:00", "31.01.2026 10:00:00"], "%d.%m.%Y %H:%M:%S", False),
        (["01/05/2026 10:00 AM", "01/31/2026 10:00 PM"], "%m/%d/%Y %I:%M %p", False),
        (["05/Jan/2026:10:00:00 +0100"], "%d/%b/%Y:%H:%M:%S %z", True),
        (["Mon, 05 Jan 2026 10:00:00 +0000"], "%a, %d %b %Y %H:%M:%S %z", True),
        (["Mon, 05 Jan 2026 10:00:00 GMT"], "%a, %d %b %Y %H:%M:%S", True),
        (["20260105100000", "20260131100000"], "%Y%m%d%H%M%S", False),
        (["2026/01/05 10:00:00,123"], "%Y/%m/%d %H:%M:%S,%f", False),
        (["Jan 5, 2026 10:00:00 PM"], "%b %d, %Y %I:%M:%S %p", False),
        (["5.1.26 9:05"], "%d.%m.%y %H:%M", False),
    ],
)
def test_written_times(cells, text_format, has_zone):
    guess = guess_time(cells)

    assert guess is not None
    assert (guess.text_format, guess.has_zone, guess.has_clock, guess.share) == (text_format, has_zone, True, 1.0)


@pytest.mark.parametrize(
    ("cell", "unit"),
    [
        ("1767571200", "s"),
        (1767571200.25, "s"),
        (1767571200000, "ms"),
        ("1767571200000000", "us"),
        (1767571200 * 10**9, "ns"),
    ],
)
def test_numbers_since_1970(cell, unit):
    guess = guess_time([cell] * 3)

    assert guess is not None
    assert guess.unit == unit


@pytest.mark.parametrize(
    ("days", "text_format"), [(["05/01/2026", "06/01/2026"], "%d/%m/%Y"), (["01/05/2026", "01/06/2026"], "%m/%d/%Y")]
)
def test_days_near_each_other_are_likelier_than_months(days, text_format):
    guess = guess_time(days)

    assert guess is not None
    assert (guess.text_format, guess.is_ambiguous, guess.has_clock) == (text_format, True, False)


@pytest.mark.parametrize("cells", [[], [None], ["ann"], ["12"], ["2026-99-99 10:00"], ["3e5a9c"], ["1.5"]])
def test_other_cells_are_no_times(cells):
    assert guess_time(cells) is None


@pytest.mark.parametrize(
    ("cells", "text_format"),
    [
        (["10:00:00", "9:05:01"], "%H:%M:%S"),
        (["10:00 PM"], "%I:%M %p"),
        (["10h30"], "%Hh%M"),
        (["x"], None),
        (["93015"], "%H%M%S"),
    ],
)
def test_times_of_day(cells, text_format):
    assert guess_clock(cells) == text_format
