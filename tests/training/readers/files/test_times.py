from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from presage_featurizer import MAX_UNIX_MICROS
from presage_featurizer.events import MICROS
from presage_training.errors import LogFormatError
from presage_training.readers.files.times import EpochColumn, TimeColumn

LONDON = ZoneInfo("Europe/London")


def written(*, time_zone=LONDON, text_formats=("%m/%d/%Y %H:%M",), advice=""):
    return TimeColumn(Path("log.csv"), "at", time_zone=time_zone, text_formats=text_formats, advice=advice)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (datetime(2019, 10, 1, 0, 0, 1, 5, tzinfo=UTC), 1_569_888_001 * MICROS + 5),
        (datetime.fromisoformat("2010-12-01T08:26"), 1_291_191_960 * MICROS),
        (datetime.fromisoformat("2011-07-01T08:26"), 1_309_505_160 * MICROS),
        (date(2010, 12, 1), 1_291_161_600 * MICROS),
        ("2011-07-01 08:26:00", 1_309_505_160 * MICROS),
        (" 2011-07-01T08:26:00+00:00 ", 1_309_508_760 * MICROS),
        ("2011-07-01 08:26:00 UTC", 1_309_508_760 * MICROS),
        ("2011-07-01T08:26:00Z", 1_309_508_760 * MICROS),
        ("7/1/2011 8:26", 1_309_505_160 * MICROS),
    ],
)
def test_written_times_are_utc(cell, expected):
    assert written()(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [None, "", "yesterday", "13/13/2011 8:26", "2011-07-01T08:26:00Z UTC", "1512123101234", "1969-12-31", "9999-01-01"],
)
def test_a_time_that_cannot_be_read_is_refused(cell):
    with pytest.raises(ValueError, match="expected a time"):
        written()(cell)


def test_a_format_goes_before_iso_8601():
    assert written(text_formats=("%d%m%Y",))("10112011") == 1_320_883_200 * MICROS  # 10 November, not the year 1011


@pytest.mark.parametrize("naive_first", [False, True])
def test_times_with_and_without_a_zone_in_one_column_are_refused(naive_first):
    column, cells = written(), ["2011-07-01T08:26:00Z", "2011-07-01 08:26"]
    cells.sort(reverse=naive_first, key=len)
    column(cells[0])

    with pytest.raises(LogFormatError) as failure:
        column(cells[1])
    assert str(failure.value) == (
        "log.csv: column 'at' has times with a zone (2011-07-01T08:26:00Z) and without (2011-07-01 08:26). "
        "Write all of them with a zone, or none."
    )


def test_a_time_without_a_zone_is_refused_where_none_is_known():
    column = written(time_zone=None, advice="Say which.")
    assert column("2011-07-01T08:26Z")

    with pytest.raises(
        LogFormatError, match=r"log\.csv: column 'at' has times without a zone: 2011-07-01 08:26\. Say which\."
    ):
        column("2011-07-01 08:26")


@pytest.mark.parametrize(
    ("unit", "cell", "expected"),
    [
        ("s", 1_569_888_001, 1_569_888_001 * MICROS),
        ("s", "1569888001", 1_569_888_001 * MICROS),
        ("s", "1569888001.25", 1_569_888_001_250_000),
        ("s", 1_569_888_001.25, 1_569_888_001_250_000),
        ("ms", 1_569_888_001_999, 1_569_888_001_999_000),
        ("us", "1569888001999999", 1_569_888_001_999_999),
        ("us", MAX_UNIX_MICROS, MAX_UNIX_MICROS),
        ("ns", 1_569_888_001_999_999_999, 1_569_888_001_999_999),
        ("ns", "1569888001999999999", 1_569_888_001_999_999),
    ],
)
def test_counted_times_are_exact(unit, cell, expected):
    assert EpochColumn(unit)(cell) == expected


@pytest.mark.parametrize(
    "cell", [None, "", "soon", float("nan"), float("inf"), 0, -1, 1e300, datetime(2019, 10, 1, tzinfo=UTC)]
)
def test_what_is_no_count_is_refused(cell):
    with pytest.raises(ValueError, match=r"expected a (number of ms|time)"):
        EpochColumn("ms")(cell)


def test_a_count_in_another_unit_is_out_of_range():
    with pytest.raises(ValueError, match="between 1970 and 2255"):
        EpochColumn("s")(1_569_888_001_999)
