from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from presage_featurizer.events import MICROS
from presage_training.readers.cells import id_text, price_micros, quantity, required_id, unix_micros

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        (float("nan"), ""),
        ("", ""),
        (" 17850 ", "17850"),
        (17850, "17850"),
        (17850.0, "17850"),
        ("17850.0", "17850"),
        ("v1.0", "v1.0"),
        ("0085", "0085"),
    ],
)
def test_ids_are_text(cell, expected):
    assert id_text(cell) == expected


def test_an_id_that_must_be_there_is_named():
    with pytest.raises(ValueError, match="expected a user_id"):
        required_id(None, "a user_id")


@pytest.mark.parametrize(
    ("cell", "expected"), [(None, 0), ("", 0), ("2.55", 2_550_000), (0.1, 100_000), (7, 7_000_000)]
)
def test_prices_are_millionths(cell, expected):
    assert price_micros(cell) == expected


@pytest.mark.parametrize("cell", [-0.01, float("nan"), float("inf"), 1e308, 1.1e9, "dear"])
def test_an_impossible_price_is_refused(cell):
    with pytest.raises(ValueError, match=r"price|float"):
        price_micros(cell)


@pytest.mark.parametrize(("cell", "expected"), [(6, 6), ("6", 6), ("-1", -1), (6.0, 6), (-80_995, -80_995)])
def test_quantities_are_whole(cell, expected):
    assert quantity(cell) == expected


@pytest.mark.parametrize("cell", [None, "", 0, "0", 1.5, float("nan"), float("inf"), 1_000_001, "six"])
def test_an_impossible_quantity_is_refused(cell):
    with pytest.raises(ValueError, match=r"quantity|float"):
        quantity(cell)


@pytest.mark.parametrize(
    ("cell", "time_zone", "expected"),
    [
        (datetime(2019, 10, 1, 0, 0, 1, 5, tzinfo=UTC), LONDON, 1_569_888_001 * MICROS + 5),
        (datetime.fromisoformat("2010-12-01T08:26"), LONDON, 1_291_191_960 * MICROS),
        (datetime.fromisoformat("2011-07-01T08:26"), LONDON, 1_309_505_160 * MICROS),
        ("2011-07-01 08:26:00", LONDON, 1_309_505_160 * MICROS),
        ("2011-07-01T08:26:00+00:00", LONDON, 1_309_508_760 * MICROS),
        ("7/1/2011 8:26", LONDON, 1_309_505_160 * MICROS),
    ],
)
def test_times_are_utc(cell, time_zone, expected):
    assert unix_micros(cell, time_zone=time_zone, text_formats=("%m/%d/%Y %H:%M",)) == expected


@pytest.mark.parametrize("cell", [None, "", "yesterday", "13/13/2011 8:26"])
def test_a_time_that_cannot_be_read_is_refused(cell):
    with pytest.raises(ValueError, match="expected a time"):
        unix_micros(cell, time_zone=UTC, text_formats=("%m/%d/%Y %H:%M",))
